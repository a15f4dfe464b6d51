// The custom roles of templates/roles, in this subscription.
targetScope = 'subscription'

var definitions = [
  loadJsonContent('../roles/runbook_starter.json')
  loadJsonContent('../roles/api_connection.json')
  loadJsonContent('../roles/api_connector.json')
]

resource roles 'Microsoft.Authorization/roleDefinitions@2022-04-01' = [for role in definitions: {
  name: guid(subscription().id, role.Name)
  properties: {
    roleName: role.Name
    description: role.Description
    type: 'CustomRole'
    permissions: [
      {
        actions: role.Actions
        notActions: role.NotActions
        dataActions: role.DataActions
        notDataActions: role.NotDataActions
      }
    ]
    assignableScopes: [
      subscription().id
    ]
  }
}]

output runbookStarter string = roles[0].name
output apiConnection string = roles[1].name
output apiConnector string = roles[2].name
