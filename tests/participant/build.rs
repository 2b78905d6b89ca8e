//! Compiles the migrations in anew when a file is added.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
