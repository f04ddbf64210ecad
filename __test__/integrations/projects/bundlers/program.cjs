const { get, init, remote, shutdown } = require('eagleray');

const square = (x) => x * x;
const offset = 1;

async function main() {
  init({ numCpus: 2 });
  console.log(await get(remote((x) => square(x) + offset).remote(4)));
  await shutdown();
}

main();
