// The Python process that has the problems and the references, and what it said before.
//
// 1. One question at a time; an error there is an error here, with its traceback.
// 2. A reference is a function of its arguments: the seeds are given, the versions pinned. What one has measured is kept in
//    `.cache`, under a hash of the Python files and requirements, and asked for once.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { pythonOf } from '../harness/python.mjs';

const file = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));
const SOURCES = file('python');
const CACHE = file('.cache');

export class Python {
  #process;
  #answers;
  #cacheFile;
  /** @type {Map<string, unknown>} */
  #known = new Map();

  constructor() {
    const python = pythonOf(file('.venv'), join(SOURCES, 'requirements.txt'), 'the references');
    this.#process = spawn(python, [join(SOURCES, 'serve.py')], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    });
    this.#answers = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
    mkdirSync(CACHE, { recursive: true });
    this.#cacheFile = join(CACHE, `references-${hashOfSources()}.jsonl`);
    if (existsSync(this.#cacheFile)) {
      for (const line of readFileSync(this.#cacheFile, 'utf8').split('\n').filter(Boolean)) {
        const [question, answer] = JSON.parse(line);
        this.#known.set(question, answer);
      }
    }
  }

  /**
   * @param {string} call a method of `Server` in `serve.py`
   * @param {unknown[]} callArguments
   */
  async ask(call, ...callArguments) {
    this.#process.stdin.write(`${JSON.stringify([call, ...callArguments])}\n`);
    const { done, value } = await this.#answers.next();
    if (done) throw new Error(`Python has ended instead of answering ${call}`);
    const { result, error } = JSON.parse(value);
    if (error !== undefined) throw new Error(`${call} in Python: ${error}`);
    return result;
  }

  /** What a reference reaches on a problem. */
  async reference(
    /** @type {string} */ name,
    /** @type {string} */ problem,
    /** @type {number} */ seed,
    /** @type {number} */ trials,
  ) {
    const question = JSON.stringify([name, problem, seed, trials]);
    if (!this.#known.has(question)) {
      const answer = await this.ask('reference', name, problem, seed, trials);
      this.#known.set(question, answer);
      appendFileSync(this.#cacheFile, `${JSON.stringify([question, answer])}\n`);
    }
    return this.#known.get(question);
  }

  end() {
    this.#process.stdin.end();
  }
}

function hashOfSources() {
  const hash = createHash('sha256');
  for (const name of readdirSync(SOURCES).sort()) {
    if (name.endsWith('.py') || name.endsWith('.txt')) {
      hash.update(readFileSync(join(SOURCES, name)));
    }
  }
  return hash.digest('hex').slice(0, 16);
}
