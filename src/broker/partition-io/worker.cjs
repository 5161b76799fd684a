// Owns one thread of the pool partition-io: one synchronous native call a job. Plain CommonJS, because a worker starts from this very file
// in the source tree and in `dist`, and should start quickly. Never makes native objects: callbacks into a worker that ends crash Node 20.
const { createRequire } = require('node:module')
const { workerData } = require('node:worker_threads')

const { partitionIo } = createRequire(__filename)(workerData.addonFile)

/** An error crosses threads as data: a clone of it would lose its code. */
module.exports = ({ handle, jobs }) => {
  try {
    return { figures: jobs.map(job => partitionIo(handle, job)) }
  } catch (error) {
    return { failure: { code: error.code, message: error.message } }
  }
}
