// The server audit of graphql-http: GraphQL over HTTP, every audit, whatever its urgency.
import { serverAudits } from "graphql-http";

const url = `${process.argv[2]}/graphql`;
const audits = serverAudits({ url });
let failed = 0;
for (const audit of audits) {
  const result = await audit.fn();
  if (result.status !== "ok") {
    failed += 1;
    console.log(`not ok: ${audit.id} ${audit.name}\n  ${result.status}: ${result.reason}`);
  }
}
// A judge that asks fewer questions than it did has not passed.
if (audits.length !== 61) {
  failed += 1;
  console.log(`not ok: the audit has ${audits.length} questions, not 61`);
}
console.log(`${audits.length - Math.min(failed, audits.length)} passed, ${failed} failed`);
