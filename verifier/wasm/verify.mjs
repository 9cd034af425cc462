// Verifies a bundle with the WebAssembly form of the verifier: node verify.mjs MODULE BUNDLE [POLICY]
// The whole image is in memory, so this is for small bundles; a host with larger ones gives ranges of its own.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const [module, bundle, policy] = process.argv.slice(2);
const { instance } = await WebAssembly.instantiate(readFileSync(module), {});
const { memory, begin, file, finish, report, outcome } = instance.exports;

function put(name, bytes) {
  const nameBytes = new TextEncoder().encode(name);
  const address = file(nameBytes.length, bytes.length);
  const room = new Uint8Array(memory.buffer, address, nameBytes.length + bytes.length);
  room.set(nameBytes);
  room.set(bytes, nameBytes.length);
}

function walk(folder, prefix) {
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) walk(path, `${prefix}${name}/`);
    else put(prefix + name, readFileSync(path));
  }
}

begin();
walk(bundle, "");
if (policy) put("policy", readFileSync(policy));
const length = finish(0);
process.stdout.write(new TextDecoder().decode(new Uint8Array(memory.buffer, report(), length)));
process.exitCode = outcome();
