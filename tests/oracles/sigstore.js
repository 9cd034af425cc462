// Judges sigstore bundles by npm's verifier, with a key that is known and neither log nor timestamp asked for.
// usage: node sigstore.js KEY.pem HINT FILE...     with NODE_PATH at the folder of the packages
// For each file a line: accepted or refused.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const { bundleFromJSON } = require('@sigstore/bundle');
const { Verifier, toSignedEntity } = require('@sigstore/verify');

const [pem, known, ...files] = process.argv.slice(2);
const publicKey = crypto.createPublicKey(fs.readFileSync(pem));
const material = {
  certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [],
  publicKey: (hint) => {
    if (hint !== known) throw new Error('no key has this hint');
    return { publicKey, validFor: () => true };
  },
};
const verifier = new Verifier(material, { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 });
for (const file of files) {
  try {
    verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(fs.readFileSync(file, 'utf8')))));
    console.log('accepted');
  } catch {
    console.log('refused');
  }
}
