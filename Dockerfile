# octocity with all services' adapters.
FROM rust:1.95-bookworm AS build
WORKDIR /octocity
COPY . .
RUN cargo build --release --locked --package octocity --features distributed

FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* && useradd --system octocity
COPY --from=build /octocity/target/release/octocity /usr/local/bin/octocity
USER octocity
ENTRYPOINT ["octocity"]
CMD ["serve"]
