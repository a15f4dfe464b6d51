// The whole set-up in Azure: the admin app with its permission in Microsoft Graph, the apps that it owns, a role
// at each thing that it rotates or delivers to, and, where you want them, the events. What each one is for:
// docs/permissions.md; how to deploy it: docs/bicep.md. Its client secret is made by hand, so that it is in no deployment.
targetScope = 'subscription'

@description('Display name and unique name of the admin app.')
param rotatingApp string = 'keeper-rotation'

@description('Unique names of the apps whose client secrets are rotated; each has one already (docs/bicep.md).')
param appUniqueNames array = []

@description('Display names of these apps, in the same order: what they are called now.')
param appDisplayNames array = []

@description('Resource ids of the storage accounts whose keys are rotated.')
param storageAccountIds array = []

@description('Resource ids of the key vaults whose certificates are rotated or delivered to.')
param certificateVaultIds array = []

@description('Resource ids of the key vaults whose certificates leave them: as an attachment, or delivered elsewhere.')
param exportingVaultIds array = []

@description('Resource ids of the key vaults in which secrets are delivered.')
param secretVaultIds array = []

@description('Resource ids of the automation accounts whose runbooks are started.')
param automationAccountIds array = []

@description('Resource ids of the API connections that are delivered to.')
param apiConnectionIds array = []

@description('true: the custom roles of templates/roles, which allow no more than is done. false: the roles that are built in.')
param customRoles bool = true

@description('true: the custom role for connectors too, where Azure asks for it (docs/deliver-logic-apps.md).')
param connectors bool = false

module app 'rotating_app.bicep' = {
  name: 'keeper-rotation-app'
  params: {
    rotatingApp: rotatingApp
    appUniqueNames: appUniqueNames
    appDisplayNames: appDisplayNames
  }
}

module roles 'roles.bicep' = if (customRoles) {
  name: 'keeper-rotation-roles'
}

var builtIn = loadJsonContent('built_in_roles.json')

module storageAccounts 'at_storage_account.bicep' = [for (id, i) in storageAccountIds: {
  name: 'keeper-rotation-storage-${i}'
  scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
  params: {
    principalId: app.outputs.principalId
    name: last(split(id, '/'))
    roleIds: [
      builtIn['Storage Account Key Operator Service Role']
      builtIn['Reader']
    ]
  }
}]

module certificateVaults 'at_key_vault.bicep' = [for (id, i) in certificateVaultIds: {
  name: 'keeper-rotation-certificates-${i}'
  scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
  params: {
    principalId: app.outputs.principalId
    name: last(split(id, '/'))
    roleIds: [
      builtIn['Key Vault Certificates Officer']
    ]
  }
}]

module exportingVaults 'at_key_vault.bicep' = [for (id, i) in exportingVaultIds: {
  name: 'keeper-rotation-exports-${i}'
  scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
  params: {
    principalId: app.outputs.principalId
    name: last(split(id, '/'))
    roleIds: [
      builtIn['Key Vault Secrets User']
    ]
  }
}]

module secretVaults 'at_key_vault.bicep' = [for (id, i) in secretVaultIds: {
  name: 'keeper-rotation-secrets-${i}'
  scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
  params: {
    principalId: app.outputs.principalId
    name: last(split(id, '/'))
    roleIds: [
      builtIn['Key Vault Secrets Officer']
    ]
  }
}]

module automationAccounts 'at_automation_account.bicep' = [for (id, i) in automationAccountIds: {
  name: 'keeper-rotation-runbooks-${i}'
  scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
  params: {
    principalId: app.outputs.principalId
    name: last(split(id, '/'))
    roleIds: [
      customRoles ? roles.outputs.runbookStarter : builtIn['Automation Operator']
    ]
  }
}]

module apiConnections 'at_api_connection.bicep' = [for (id, i) in apiConnectionIds: {
  name: 'keeper-rotation-connections-${i}'
  scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
  params: {
    principalId: app.outputs.principalId
    name: last(split(id, '/'))
    roleIds: [
      customRoles ? roles.outputs.apiConnection : builtIn['Logic App Contributor']
    ]
  }
}]

// At the subscription, where connectors are.
resource connectorsRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (customRoles && connectors) {
  name: guid(subscription().id, rotatingApp, 'connectors')
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.outputs.apiConnector)
    principalId: app.outputs.principalId
    principalType: 'ServicePrincipal'
  }
}

output clientId string = app.outputs.clientId
output principalId string = app.outputs.principalId
output tenantId string = subscription().tenantId
output subscriptionId string = subscription().subscriptionId
