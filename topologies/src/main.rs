//! The command `straum`: runs, feeds, inspects, demonstrates and checks the topologies.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
