/** A module that the driver and its workers import. Each process has one value of each of its functions. */

import { perProcess } from 'eagleray';

const make = (name) => ({ name, pid: process.pid, uses: 0 });

export const named = perProcess(() => make('named'));
export default perProcess(() => make('default'));
const hidden = perProcess(() => make('hidden'));

export const tools = {
  /** By value: the worker does not import the module for it. */
  useHidden: () => ++hidden().uses,
  useNamed: () => ++named().uses,
};
/** By reference: the worker imports the module. */
export function importHidden() {
  return ++hidden().uses;
}
export function importNamed() {
  return ++named().uses;
}
export const newOne = () => perProcess(() => make('new'));
