// PostGraphile on the tables of Octocity's read models, as in production: no GraphiQL, no watching, a process a core.
import cluster from "node:cluster";
import { createServer } from "node:http";
import { availableParallelism } from "node:os";
import { grafserv } from "postgraphile/grafserv/node";
import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";

const [connectionString, port, connections] = process.argv.slice(2);
const workers = availableParallelism();

if (cluster.isPrimary) {
  for (let worker = 0; worker < workers; worker++) cluster.fork();
} else {
  const service = makePgService({
    connectionString,
    schemas: ["octocity"],
    poolConfig: { max: Math.ceil(Number(connections) / workers) },
  });
  const instance = postgraphile({
    extends: [PostGraphileAmberPreset],
    pgServices: [service],
    grafserv: { graphiql: false, watch: false },
  });
  const server = createServer();
  await instance.createServ(grafserv).addTo(server);
  server.listen(Number(port), "127.0.0.1");
}
