// CommonJS, because poolifier tells a new process to start before an ES module has been loaded; the message is lost and
// the pool waits for ever.
const { ClusterWorker } = require('poolifier');

module.exports = new ClusterWorker(() => 'ok');
