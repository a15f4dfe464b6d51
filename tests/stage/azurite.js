// Azurite reads its accounts' keys once a minute. Here it reads them anew for each request, from KEYS_FILE.
const fs = require("fs");
const Store = require(process.env.AZURITE_HOME + "/dist/src/common/AccountDataStore").default;
Store.prototype.getAccount = function (name) {
  return this.parserAccountsEnvironmentString(fs.readFileSync(process.env.KEYS_FILE, "utf8"))[name];
};
