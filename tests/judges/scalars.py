"""Values for the schema's own scalars: schemathesis makes UUIDs and instants by itself."""

import schemathesis
from hypothesis import strategies as st
from schemathesis.graphql import nodes

CURRENCIES = ["EUR", "GBP", "CZK", "JPY", "KWD"]

# Mostly real ones; the rest is to be refused as bad input.
schemathesis.graphql.scalar(
    "Currency", st.one_of(st.sampled_from(CURRENCIES), st.text(max_size=4)).map(nodes.String)
)
schemathesis.graphql.scalar("JSON", st.text(max_size=20).map(nodes.String))
