//! Puts `engine/src/log/kafka/native/leader_discovery.rs` in the place of what it replaces. Whoever builds a program with this
//! library on Linux does well to do the same.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo:rustc-link-arg=-Wl,--wrap=rd_kafka_metadata_update_op");
    }
}
