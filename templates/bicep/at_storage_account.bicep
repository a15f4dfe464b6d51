// A storage account of this resource group, and the roles of one principal at it.
param name string

@description('Object id of the service principal.')
param principalId string

@description('Ids of the role definitions, without a path.')
param roleIds array

resource storageAccount 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: name
}

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for id in roleIds: {
  name: guid(storageAccount.id, principalId, id)
  scope: storageAccount
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', id)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}]
