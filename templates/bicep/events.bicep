// The events of one key vault, for `keeper-rotation listen`: templates/azure/near_expiry_events.json as a module, in the
// resource group of the key vault. docs/listen.md says what it makes.
param keyVaultName string

@description('The Event Hubs namespace to make; its name is unique in the whole of Azure.')
param namespaceName string

@description('Object id of the identity of the listener.')
param listenerPrincipalId string

@description('The system topic that the key vault has already, with an identity of its own; a key vault has one at most.')
param existingSystemTopicName string = ''

module events '../azure/near_expiry_events.json' = {
  name: 'keeper-rotation-events'
  params: {
    keyVaultName: keyVaultName
    namespaceName: namespaceName
    listenerPrincipalId: listenerPrincipalId
    existingSystemTopicName: existingSystemTopicName
  }
}

output bootstrapServers string = events.outputs.bootstrapServers
output eventHub string = events.outputs.eventHub
