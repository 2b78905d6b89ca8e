# One image with the orchestrator and the four sample services. Not built where this was written: no container engine there.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p amends -p amends-orders -p amends-inventory -p amends-payments -p amends-shipping

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /data --create-home amends
COPY --from=build /src/target/release/amends /src/target/release/amends-orders /src/target/release/amends-inventory \
     /src/target/release/amends-payments /src/target/release/amends-shipping /usr/local/bin/
COPY sagas /usr/share/amends/sagas
USER amends
VOLUME /data
WORKDIR /data
ENTRYPOINT []
CMD ["amends", "serve"]
