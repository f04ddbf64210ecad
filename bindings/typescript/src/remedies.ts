/** What to do about values that can't travel, in the words of error messages. */

/** For what belongs to a process: loggers, connections, what holds native functions. */
export const PER_PROCESS =
  'let each process make its own: const x = perProcess(() => …), and x() where it is used';

/** For values of packages: whoever uses a package can't change its classes and functions. */
export const MADE_THERE = `make the value in a module and import it where it is used, or ${PER_PROCESS}`;
