// A key vault of this resource group, and the roles of one principal at it.
param name string

@description('Object id of the service principal.')
param principalId string

@description('Ids of the role definitions, without a path.')
param roleIds array

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: name
}

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for id in roleIds: {
  name: guid(vault.id, principalId, id)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', id)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}]
