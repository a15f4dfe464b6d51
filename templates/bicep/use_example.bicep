// Something to try a rotation with: a storage account, a key vault for its key, the roles, and the record for Keeper.
// Deploy it into a resource group of its own and delete that afterwards: docs/bicep.md.
@description('Object id of the service principal of the admin app: an output of main.bicep.')
param principalId string

@description('Part of the names, which are unique in the whole of Azure.')
param suffix string = take(uniqueString(resourceGroup().id), 8)

param location string = resourceGroup().location

var builtIn = loadJsonContent('built_in_roles.json')
var template = loadJsonContent('../azure_storage_key.json')

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' = {
  name: 'rotation-${suffix}'
  location: location
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    softDeleteRetentionInDays: 7
  }
}

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: 'rotation${suffix}'
  location: location
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
  properties: {
    allowSharedKeyAccess: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

module accountAccess 'at_storage_account.bicep' = {
  name: 'keeper-rotation-example-account'
  params: {
    principalId: principalId
    name: account.name
    roleIds: [
      builtIn['Storage Account Key Operator Service Role']
      builtIn['Reader']
    ]
  }
}

module vaultAccess 'at_key_vault.bicep' = {
  name: 'keeper-rotation-example-vault'
  params: {
    principalId: principalId
    name: vault.name
    roleIds: [
      builtIn['Key Vault Secrets Officer']
    ]
  }
}

// What templates/azure_storage_key.json has, for this account.
var filledIn = {
  title: 'Azure storage key - ${account.name}'
  login: account.name
  custom_fields: {
    '$text:storage_account_id': account.id
    '$multiline:deliver_to': '${vault.properties.vaultUri}secrets/storage-key'
  }
}

@description('For Commander: keeper import --format=json.')
output record object = {
  shared_folders: template.shared_folders
  records: [
    union(template.records[0], filledIn)
  ]
}
