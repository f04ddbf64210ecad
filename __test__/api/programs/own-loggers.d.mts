export interface Own {
  name: string;
  pid: number;
  uses: number;
}
export const named: () => Own;
declare const own: () => Own;
export default own;
export const tools: { useHidden: () => number; useNamed: () => number };
export function importHidden(): number;
export function importNamed(): number;
export const newOne: () => () => Own;
