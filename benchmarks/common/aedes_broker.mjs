// An Aedes broker on the loopback: node aedes_broker.mjs PORT; run in a folder where the package is installed.
import { createServer } from 'node:net'
import { createRequire } from 'node:module'

const { Aedes } = await import(createRequire(process.cwd() + '/').resolve('aedes'))
const aedes = await Aedes.createBroker()
createServer(aedes.handle).listen(Number(process.argv[2]), '127.0.0.1')
