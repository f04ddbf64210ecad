// Stays alive while something is awaited, although nothing else keeps its event loop busy.
import { get, remote } from 'eagleray';

const slow = remote(() => new Promise((resolve) => setTimeout(resolve, 300, 'late')));
console.log(await get(slow.remote()));
