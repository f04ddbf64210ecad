import { ThreadWorker } from 'poolifier';
import run, { byteLength } from './functions.mjs';

export default new ThreadWorker({ run, byteLength });
