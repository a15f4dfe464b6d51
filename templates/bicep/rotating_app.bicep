// The admin app: Application.ReadWrite.OwnedBy in Microsoft Graph, and ownership of the apps that it rotates.
// https://learn.microsoft.com/graph/templates/bicep/overview-bicep-templates-for-graph
extension microsoftGraphV1

targetScope = 'subscription'

@description('Display name and unique name of the admin app.')
param rotatingApp string

@description('Unique names of the apps that it is to own.')
param appUniqueNames array

@description('What these apps are called, in the same order.')
param appDisplayNames array

// Application.ReadWrite.OwnedBy
var ownedBy = '18a4783c-866b-4cc7-a460-3d5e5662c884'
var graphAppId = '00000003-0000-0000-c000-000000000000'

resource graph 'Microsoft.Graph/servicePrincipals@v1.0' existing = {
  appId: graphAppId
}

resource app 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: rotatingApp
  displayName: rotatingApp
  signInAudience: 'AzureADMyOrg'
  requiredResourceAccess: [
    {
      resourceAppId: graphAppId
      resourceAccess: [
        {
          id: ownedBy
          type: 'Role'
        }
      ]
    }
  ]
}

resource principal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: app.appId
}

// This is the admin consent. An app that rotates nothing in Microsoft Graph needs no permission there.
resource consent 'Microsoft.Graph/appRoleAssignedTo@v1.0' = if (!empty(appUniqueNames)) {
  appRoleId: ownedBy
  principalId: principal.id
  resourceId: graph.id
}

// Owners are added to those that there are; nothing else of these apps is named here, and so nothing else changes.
resource rotated 'Microsoft.Graph/applications@v1.0' = [for (name, i) in appUniqueNames: {
  uniqueName: name
  displayName: appDisplayNames[i]
  owners: {
    relationshipSemantics: 'append'
    relationships: [
      principal.id
    ]
  }
}]

output clientId string = app.appId
output principalId string = principal.id
