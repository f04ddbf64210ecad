// What all pools run.

/** The empty task. */
export default function run() {
  return 'ok';
}

export function byteLength(array) {
  return array.byteLength;
}
