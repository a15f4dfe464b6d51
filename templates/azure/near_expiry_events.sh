#!/usr/bin/env bash
# Near-expiry events of one key vault into an Event Hub: what near_expiry_events.json deploys, as az commands.
# Run it once, signed in as somebody who may make these resources and assign roles:
#   ./near_expiry_events.sh RESOURCE_GROUP KEY_VAULT NAMESPACE LISTENER_PRINCIPAL_ID [SYSTEM_TOPIC]
set -euo pipefail
GROUP=$1          # of the key vault
VAULT=$2
NAMESPACE=$3      # to be made; unique in the whole of Azure
LISTENER=$4       # object id of the listener's identity (the one under Enterprise applications)
HUB=key-vault-events
CONSUMERS=keeper-rotation
TOPIC=${5:-$VAULT-events} # one that the key vault has already, with a system-assigned identity, is named

VAULT_ID=$(az keyvault show --resource-group "$GROUP" --name "$VAULT" --query id --output tsv)
LOCATION=$(az keyvault show --resource-group "$GROUP" --name "$VAULT" --query location --output tsv)

# The Event Hub. Kafka's protocol needs the Standard tier; without local authentication no connection string works.
az eventhubs namespace create --resource-group "$GROUP" --name "$NAMESPACE" --location "$LOCATION" \
    --sku Standard --minimum-tls-version 1.2 --disable-local-auth true
az eventhubs eventhub create --resource-group "$GROUP" --namespace-name "$NAMESPACE" --name "$HUB" \
    --partition-count 4 --cleanup-policy Delete --retention-time-in-hours 168
az eventhubs eventhub consumer-group create --resource-group "$GROUP" --namespace-name "$NAMESPACE" \
    --eventhub-name "$HUB" --name "$CONSUMERS"
HUB_ID=$(az eventhubs eventhub show --resource-group "$GROUP" --namespace-name "$NAMESPACE" --name "$HUB" \
    --query id --output tsv)

# The key vault's topic, with an identity of its own. A key vault has one at most.
[[ $# -gt 4 ]] ||
az eventgrid system-topic create --resource-group "$GROUP" --name "$TOPIC" --location "$LOCATION" \
    --topic-type Microsoft.KeyVault.vaults --source "$VAULT_ID" --identity systemassigned
SENDER=$(az eventgrid system-topic show --resource-group "$GROUP" --name "$TOPIC" \
    --query identity.principalId --output tsv)

# Who may do what: the topic sends into this Event Hub, the listener receives from it, and nothing else.
az role assignment create --assignee-object-id "$SENDER" --assignee-principal-type ServicePrincipal \
    --role "Azure Event Hubs Data Sender" --scope "$HUB_ID"
az role assignment create --assignee-object-id "$LISTENER" --assignee-principal-type ServicePrincipal \
    --role "Azure Event Hubs Data Receiver" --scope "$HUB_ID"
sleep 60 # a new role takes a while to act, and the subscription is refused until then

# One secret's events stay in one partition, and so with one listener.
az eventgrid system-topic event-subscription create --resource-group "$GROUP" --system-topic-name "$TOPIC" \
    --name keeper-rotation --delivery-identity systemassigned --delivery-identity-endpoint-type eventhub \
    --delivery-identity-endpoint "$HUB_ID" --event-delivery-schema eventgridschema \
    --delivery-attribute-mapping PartitionKey dynamic subject \
    --included-event-types Microsoft.KeyVault.SecretNearExpiry Microsoft.KeyVault.SecretExpired \
    Microsoft.KeyVault.CertificateNearExpiry Microsoft.KeyVault.CertificateExpired

echo "bootstrap_servers = \"$NAMESPACE.servicebus.windows.net:9093\""
echo "event_hub = \"$HUB\""
echo "consumer_group = \"$CONSUMERS\""
