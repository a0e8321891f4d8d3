//! Compiles EventStoreDB's own messages, as its client ships them, without protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=protos");
    let messages = protox::compile(["protos/streams.proto", "protos/serverfeatures.proto"], ["protos"])?;
    tonic_build::configure()
        .build_client(false)
        .extern_path(".event_store.client.Empty", "()")
        .compile_fds(messages)?;
    Ok(())
}
