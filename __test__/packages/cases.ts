/**
 * The packages that eagleray is tried with, and what is tried of each: values as the program makes them, and what says
 * whether a value is right.
 */

/** What is tried of a package. */
export interface PackageCase {
  readonly name: string;
  readonly kind: string;
  /** What the program imports: of each module the exports, and the names that it gives them. */
  readonly imports: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly values: readonly ValueCase[];
}

/** A value of a package. Both texts are of functions that use what the program imports. */
export interface ValueCase {
  /** Makes the value. */
  readonly make: string;
  /** Takes the value, and gives a text, a number or a boolean that must be the same everywhere. */
  readonly check: string;
  /** It can't travel: the message says why in these words, and what to do instead. */
  readonly refused?: RegExp;
}

const NODE_BOUND = /a bound function can't be sent/;
const WEAK = /weak collections/;
const OF_PROCESS = /belongs to this process/;
const LISTENERS = /its listeners belong to this process/;
const PRIVATE = /#private members/;
const OUTER_THIS = /uses the `this` around it/;
const WITHOUT_CLASS = /belongs to no class that can be found/;

export const PACKAGES: readonly PackageCase[] = [
  // Loggers
  {
    name: 'pino',
    kind: 'logger',
    imports: { pino: { default: 'pino' } },
    values: [
      {
        make: "pino({ level: 'silent', base: { app: 'a' } })",
        check: "(log) => { log.info('x'); return log.level + JSON.stringify(log.bindings()); }",
        refused: /./,
      },
      { make: 'pino', check: "(make) => make({ level: 'silent' }).level" },
    ],
  },
  {
    name: 'winston',
    kind: 'logger',
    imports: { winston: { default: 'winston' } },
    values: [
      {
        make: "winston.createLogger({ level: 'warn', silent: true })",
        check: '(log) => { log.warn("x"); return log.level + log.isWarnEnabled(); }',
        refused: OF_PROCESS,
      },
      {
        make: 'winston.format.json()',
        check: "(f) => f.transform({ level: 'info', message: 'm' }, {})[Symbol.for('message')]",
      },
    ],
  },
  {
    name: 'loglevel',
    kind: 'logger',
    imports: { loglevel: { default: 'loglevel' } },
    values: [
      {
        make: "loglevel.getLogger('a')",
        check:
          "(log) => { log.setLevel('silent', false); return typeof log.info + log.getLevel(); }",
        refused: NODE_BOUND,
      },
    ],
  },
  // Parsers
  {
    name: 'csv-parse',
    kind: 'parser',
    imports: { 'csv-parse/sync': { parse: 'parse' }, 'csv-parse': { parse: 'stream' } },
    values: [
      { make: 'parse', check: "(f) => f('a,b\\n1,2', { columns: true })[0].b" },
      { make: 'stream()', check: '(s) => typeof s.write', refused: OF_PROCESS },
    ],
  },
  {
    name: 'papaparse',
    kind: 'parser',
    imports: { papaparse: { default: 'Papa' } },
    values: [
      { make: 'Papa', check: "(p) => JSON.stringify(p.parse('a,b\\n1,2', { header: true }).data)" },
    ],
  },
  {
    name: 'yaml',
    kind: 'parser',
    imports: { yaml: { default: 'YAML' } },
    values: [
      {
        make: "YAML.parseDocument('a: 1\\nb: [1, 2] # c')",
        check:
          "(d) => { d.set('c', 3); return String(d) + JSON.stringify(d.toJS()) + YAML.isDocument(d); }",
      },
      { make: 'YAML', check: "(y) => y.parse('a: 1').a" },
    ],
  },
  {
    name: 'protobufjs',
    kind: 'parser',
    imports: { protobufjs: { default: 'protobuf' } },
    values: [
      {
        make: `protobuf.parse('syntax="proto3"; message A { string x = 1; int64 n = 2; }').root.lookupType('A')`,
        check:
          "(t) => JSON.stringify(t.toObject(t.decode(t.encode(t.create({ x: 'hi', n: 5 })).finish()), { longs: String }))",
      },
      {
        make: 'protobuf',
        check: '(p) => new p.Type("A").add(new p.Field("x", 1, "string")).fields.x.id',
      },
    ],
  },
  {
    name: 'acorn',
    kind: 'parser',
    imports: { acorn: { '*': 'acorn' } },
    values: [
      {
        make: "acorn.parse('1 + 2', { ecmaVersion: 2020 })",
        check:
          '(n) => n.body[0].expression.operator + n.constructor.name + (n instanceof acorn.Node)',
      },
      {
        make: 'acorn.Parser.extend((P) => class Louder extends P { parse() { const n = super.parse(); n.loud = true; return n; } })',
        check: "(P) => P.parse('1', { ecmaVersion: 2020 }).loud",
      },
    ],
  },
  {
    name: 'marked',
    kind: 'parser',
    imports: { marked: { Marked: 'Marked' } },
    values: [
      {
        make: 'new Marked({ gfm: true })',
        check: "(m) => m.parse('# hi *you*')",
        refused: OUTER_THIS,
      },
    ],
  },
  {
    name: 'fast-xml-parser',
    kind: 'parser',
    imports: { 'fast-xml-parser': { XMLParser: 'XMLParser' } },
    values: [
      {
        make: 'new XMLParser({ ignoreAttributes: false })',
        check: `(p) => JSON.stringify(p.parse('<a b="1">x<c/></a>'))`,
      },
    ],
  },
  {
    name: 'graphql',
    kind: 'parser',
    imports: { graphql: { '*': 'graphql' } },
    values: [
      {
        make: "graphql.buildSchema('type Query { a: Int }')",
        check:
          "async (schema) => JSON.stringify(await graphql.graphql({ schema, source: '{ a }', rootValue: { a: 1 } }))",
      },
      { make: "graphql.parse('{ a }')", check: '(d) => graphql.print(d)' },
    ],
  },
  // Images
  {
    name: 'pngjs',
    kind: 'images',
    imports: { pngjs: { PNG: 'PNG' } },
    values: [
      {
        make: 'new PNG({ width: 2, height: 1 })',
        check: '(p) => p.width + PNG.sync.write(p).length',
        refused: OF_PROCESS,
      },
      {
        make: 'PNG',
        check:
          '(P) => { const p = P.sync.read(P.sync.write(new P({ width: 3, height: 1 }))); return p.width + p.data.length; }',
      },
    ],
  },
  {
    name: 'jimp',
    kind: 'images',
    imports: { jimp: { Jimp: 'Jimp' } },
    values: [
      {
        make: 'new Jimp({ width: 2, height: 3, color: 0xff0000ff })',
        check: '(i) => [i.width, i.getPixelColor(0, 0), i.clone().rotate(90).width].join()',
        refused: OUTER_THIS,
      },
    ],
  },
  // Schemas
  {
    name: 'zod',
    kind: 'schemas',
    imports: { zod: { z: 'z' } },
    values: [
      {
        make: 'z.object({ a: z.string().min(2), n: z.number().optional() })',
        check:
          "(s) => JSON.stringify(s.parse({ a: 'xx', n: 1 })) + JSON.stringify(s.safeParse({ a: 'x' }).error.issues)",
        refused: WEAK,
      },
      { make: 'z', check: "(z) => z.string().parse('q')" },
    ],
  },
  {
    name: 'ajv',
    kind: 'schemas',
    imports: { ajv: { default: 'Ajv' } },
    values: [
      {
        make: "new Ajv().compile({ type: 'object', properties: { a: { type: 'number' } }, required: ['a'] })",
        check: '(v) => [v({ a: 1 }), v({}), JSON.stringify(v.errors)].join()',
      },
      { make: 'new Ajv()', check: "(a) => a.validate({ type: 'number' }, 1)" },
      { make: 'Ajv', check: "(A) => new A().validate({ type: 'number' }, 1)" },
    ],
  },
  {
    name: 'joi',
    kind: 'schemas',
    imports: { joi: { default: 'Joi' } },
    values: [
      {
        make: 'Joi.object({ a: Joi.number().min(1).required() })',
        check:
          "(s) => JSON.stringify(s.validate({ a: '2' }).value) + String(s.validate({}).error) + Joi.isSchema(s)",
        refused: /./,
      },
    ],
  },
  {
    name: 'valibot',
    kind: 'schemas',
    imports: { valibot: { '*': 'v' } },
    values: [
      {
        make: 'v.object({ a: v.pipe(v.number(), v.minValue(1)) })',
        check: '(s) => [v.is(s, { a: 1 }), v.safeParse(s, { a: 0 }).issues[0].message].join()',
      },
    ],
  },
  {
    name: 'yup',
    kind: 'schemas',
    imports: { yup: { '*': 'yup' } },
    values: [
      {
        make: 'yup.object({ a: yup.number().required() })',
        check:
          "async (s) => JSON.stringify(await s.validate({ a: '1' })) + (await s.isValid({})) + yup.isSchema(s)",
        refused: OUTER_THIS,
      },
    ],
  },
  {
    name: 'superstruct',
    kind: 'schemas',
    imports: { superstruct: { '*': 's' } },
    values: [
      {
        make: 's.object({ a: s.number() })',
        check:
          "(struct) => [struct.is({ a: 1 }), s.is({ a: 'x' }, struct), struct instanceof s.Struct].join()",
        refused: OUTER_THIS,
      },
    ],
  },
  // Web
  {
    name: 'undici',
    kind: 'web',
    imports: { undici: { '*': 'undici' } },
    values: [
      { make: 'new undici.Agent()', check: '(a) => typeof a.dispatch', refused: LISTENERS },
      { make: 'new undici.Headers({ a: "b" })', check: "(h) => h.get('a')", refused: /./ },
      { make: 'undici.request', check: '(f) => typeof f + f.length' },
    ],
  },
  {
    name: 'axios',
    kind: 'web',
    imports: { axios: { default: 'axios' } },
    values: [
      {
        make: "axios.create({ baseURL: 'http://127.0.0.1:1', headers: { a: 'b' } })",
        check: "(a) => a.getUri({ url: '/x' }) + typeof a.get + a.defaults.headers.a",
      },
      { make: 'axios', check: "(a) => typeof a.create + a.getUri({ url: '/x' })" },
    ],
  },
  {
    name: 'express',
    kind: 'web',
    imports: { express: { default: 'express' } },
    values: [
      {
        make: "(() => { const app = express(); app.get('/', (_, r) => r.end()); return app; })()",
        check: "(app) => typeof app.use + app.get('x-powered-by')",
        refused: /./,
      },
      { make: 'express', check: '(e) => typeof e().listen + typeof e.json()' },
    ],
  },
  {
    name: 'fastify',
    kind: 'web',
    imports: { fastify: { default: 'fastify' } },
    values: [
      {
        make: 'fastify()',
        check: "async (app) => (await app.inject('/none')).statusCode",
        refused: /./,
      },
    ],
  },
  {
    name: 'cheerio',
    kind: 'web',
    imports: { cheerio: { '*': 'cheerio' } },
    values: [
      { make: "cheerio.load('<p>hi</p>')", check: "($) => $('p').addClass('c').toString()" },
      { make: "cheerio.load('<p>hi</p>')('p')", check: '(p) => p.text() + p.length' },
      { make: 'cheerio', check: "(c) => c.load('<b>x</b>')('b').text()" },
    ],
  },
  // Numbers
  {
    name: 'mathjs',
    kind: 'numbers',
    imports: { mathjs: { create: 'create', all: 'all', evaluate: 'evaluate' } },
    values: [
      {
        make: "create(all, { number: 'BigNumber' })",
        check: "(m) => m.evaluate('1/3 + 2').toString()",
        refused: WITHOUT_CLASS,
      },
      {
        make: 'create(all).matrix([[1, 2], [3, 4]])',
        check: '(m) => m.size().join()',
        refused: WITHOUT_CLASS,
      },
      { make: 'evaluate', check: "(f) => f('1 + 2')" },
    ],
  },
  {
    name: 'ml-matrix',
    kind: 'numbers',
    imports: { 'ml-matrix': { Matrix: 'Matrix', inverse: 'inverse' } },
    values: [
      {
        make: 'new Matrix([[1, 2], [3, 4]])',
        check: '(m) => m.mmul(m).get(1, 1) + inverse(m).get(0, 0).toFixed(3)',
        refused: PRIVATE,
      },
      { make: 'Matrix', check: '(M) => M.eye(2).get(0, 0)' },
    ],
  },
  {
    name: 'decimal.js',
    kind: 'numbers',
    imports: { 'decimal.js': { Decimal: 'Decimal' } },
    values: [
      {
        make: "new Decimal('0.1')",
        check: "(d) => d.plus('0.2').toString() + (d instanceof Decimal) + Decimal.isDecimal(d)",
      },
      { make: 'Decimal.clone({ precision: 5 })', check: '(D) => new D(1).div(3).toString()' },
    ],
  },
  {
    name: 'bignumber.js',
    kind: 'numbers',
    imports: { 'bignumber.js': { BigNumber: 'BigNumber' } },
    values: [
      {
        make: "new BigNumber('0.1')",
        check:
          "(n) => n.plus('0.2').toString() + BigNumber.isBigNumber(n) + (n instanceof BigNumber)",
      },
    ],
  },
  {
    name: 'simple-statistics',
    kind: 'numbers',
    imports: { 'simple-statistics': { '*': 'ss' } },
    values: [
      {
        make: 'ss.linearRegressionLine(ss.linearRegression([[0, 0], [1, 2]]))',
        check: '(f) => f(3)',
      },
      {
        make: "(() => { const b = new ss.BayesianClassifier(); b.train({ s: 'big' }, 'cat'); return b; })()",
        check: "(b) => JSON.stringify(b.score({ s: 'big' }))",
      },
    ],
  },
  // Dates
  {
    name: 'dayjs',
    kind: 'dates',
    imports: { dayjs: { default: 'dayjs' } },
    values: [
      {
        make: "dayjs('2020-01-02')",
        check: "(d) => d.add(1, 'day').format('YYYY-MM-DD') + dayjs.isDayjs(d)",
      },
      { make: 'dayjs', check: "(d) => d('2020-01-01').year()" },
    ],
  },
  {
    name: 'luxon',
    kind: 'dates',
    imports: { luxon: { DateTime: 'DateTime' } },
    values: [
      {
        make: "DateTime.fromISO('2020-01-02', { zone: 'utc' })",
        check:
          '(d) => d.plus({ days: 1 }).toISO() + (d instanceof DateTime) + DateTime.isDateTime(d)',
      },
      { make: 'DateTime', check: "(D) => D.fromISO('2020-01-02').year" },
    ],
  },
  {
    name: 'date-fns',
    kind: 'dates',
    imports: { 'date-fns': { addDays: 'addDays', formatISO: 'formatISO', '*': 'dateFns' } },
    values: [
      {
        make: 'addDays',
        check: "(f) => formatISO(f(new Date(2020, 0, 1), 2), { representation: 'date' })",
      },
      { make: 'dateFns', check: '(f) => f.getYear(new Date(2020, 0, 1))' },
    ],
  },
  // Templates
  {
    name: 'handlebars',
    kind: 'templates',
    imports: { handlebars: { default: 'Handlebars' } },
    values: [
      {
        make: "Handlebars.compile('Hi {{x}}')",
        check: "(t) => t({ x: 'you' })",
        refused: WITHOUT_CLASS,
      },
      {
        make: 'Handlebars',
        check: "(h) => h.compile('{{x}}')({ x: 1 })",
        refused: WITHOUT_CLASS,
      },
    ],
  },
  {
    name: 'ejs',
    kind: 'templates',
    imports: { ejs: { default: 'ejs' } },
    values: [
      { make: "ejs.compile('Hi <%= x %>')", check: "(t) => t({ x: '<you>' })" },
      { make: 'ejs', check: "(e) => e.render('<%= x %>', { x: 1 })" },
    ],
  },
  {
    name: 'mustache',
    kind: 'templates',
    imports: { mustache: { default: 'Mustache' } },
    values: [
      { make: 'new Mustache.Writer()', check: "(w) => w.render('Hi {{x}}', { x: '<' })" },
      { make: 'Mustache', check: "(m) => m.render('Hi {{x}}', { x: 1 })" },
    ],
  },
  // Tools
  {
    name: 'lodash',
    kind: 'tools',
    imports: { lodash: { default: '_' } },
    values: [
      { make: '_.flow([(x) => x + 1, (x) => x * 2])', check: '(f) => f(3)' },
      { make: '_.memoize((x) => x * 2)', check: '(f) => f(4) + f.cache.size' },
      { make: '_.curry((a, b) => a + b)', check: '(f) => f(1)(2) + f.length' },
      {
        make: '_([1, 2, 3]).map((x) => x * 2)',
        check: '(w) => w.value().join()',
        refused: /send an array instead/,
      },
      { make: '_', check: '(_) => _.chunk([1, 2, 3], 2).length' },
    ],
  },
  {
    name: 'immutable',
    kind: 'tools',
    imports: { immutable: { Map: 'ImmutableMap', Record: 'Record', is: 'is' } },
    values: [
      {
        make: "ImmutableMap({ a: 1 }).set('b', ImmutableMap({ c: 2 }))",
        check:
          "(m) => m.toString() + m.getIn(['b', 'c']) + ImmutableMap.isMap(m) + is(m.delete('b'), ImmutableMap({ a: 1 }))",
      },
      { make: 'Record({ a: 1 })', check: '(R) => new R({ a: 2 }).a + new R().a' },
    ],
  },
  {
    name: 'rxjs',
    kind: 'tools',
    imports: { rxjs: { of: 'of', map: 'map', lastValueFrom: 'lastValueFrom' } },
    values: [
      {
        make: 'of(1, 2).pipe(map((x) => x * 2))',
        check: 'async (o) => lastValueFrom(o)',
      },
    ],
  },
  {
    name: 'uuid',
    kind: 'tools',
    imports: { uuid: { v4: 'v4', v5: 'v5' } },
    values: [
      { make: 'v4', check: '(f) => f().length' },
      { make: 'v5', check: "(f) => f('a', f.URL)" },
    ],
  },
  {
    name: 'nanoid',
    kind: 'tools',
    imports: { nanoid: { nanoid: 'nanoid', customAlphabet: 'customAlphabet' } },
    values: [
      { make: "customAlphabet('a', 5)", check: '(f) => f()' },
      { make: 'nanoid', check: '(f) => f().length' },
    ],
  },
  {
    name: 'semver',
    kind: 'tools',
    imports: { semver: { default: 'semver' } },
    values: [
      {
        make: "new semver.Range('^1.2.0')",
        check:
          "(r) => [r.test('1.3.0'), semver.satisfies('2.0.0', r), r instanceof semver.Range].join()",
      },
      {
        make: "new semver.SemVer('1.2.3')",
        check: "(v) => v.compare('1.2.4') + semver.inc(v.version, 'major')",
      },
    ],
  },
  {
    name: 'p-limit',
    kind: 'tools',
    imports: { 'p-limit': { default: 'pLimit' } },
    values: [
      { make: 'pLimit(2)', check: 'async (l) => l(() => 7)', refused: PRIVATE },
      { make: 'pLimit', check: 'async (p) => p(1)(() => 7)' },
    ],
  },
  {
    name: 'commander',
    kind: 'tools',
    imports: { commander: { Command: 'Command' } },
    values: [
      {
        make: "new Command().name('x').option('-a <n>').exitOverride()",
        check: "(c) => c.parse(['-a', '1'], { from: 'user' }).opts().a",
        refused: LISTENERS,
      },
      { make: 'Command', check: "(C) => new C().name('q').name()" },
    ],
  },
  {
    name: 'chalk',
    kind: 'tools',
    imports: { chalk: { default: 'chalk', Chalk: 'Chalk' } },
    values: [
      {
        make: 'new Chalk({ level: 1 }).red.bold',
        check: "(c) => JSON.stringify(c('x') + c.underline('y') + c.rgb(1, 2, 3)('z'))",
      },
      {
        make: 'new Chalk({ level: 1 })',
        check: "(c) => JSON.stringify(c.blue('x') + c.bgRed.white('y')) + c.level",
      },
      { make: 'chalk', check: "(c) => typeof c.red('x') + c('a', 'b')" },
    ],
  },
  // Connections, which are not opened
  {
    name: 'ioredis',
    kind: 'connections',
    imports: { ioredis: { Redis: 'Redis' } },
    values: [
      {
        make: 'new Redis({ lazyConnect: true })',
        check: '(r) => r.status + typeof r.get',
        refused: LISTENERS,
      },
    ],
  },
  {
    name: 'pg',
    kind: 'connections',
    imports: { pg: { default: 'pg' } },
    values: [
      {
        make: 'new pg.Pool()',
        check: '(p) => p.totalCount + typeof p.query',
        refused: LISTENERS,
      },
      { make: 'pg.types', check: "(t) => t.getTypeParser(23)('5')" },
    ],
  },
];
