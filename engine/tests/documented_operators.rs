//! Every public method of the DSL has an example in its documentation that runs and asserts something.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

/// All Rust files in a folder and the folders in it.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The public functions of a source, each with whether its documentation has an example that asserts.
fn public_functions(source: &str) -> Vec<(String, bool)> {
    let mut functions = Vec::new();
    let mut documentation = Vec::new();
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            documentation.push(text.trim());
            continue;
        }
        // Attributes stand between the documentation and its function.
        if line.starts_with("#[") {
            continue;
        }
        let function = line.strip_prefix("pub fn ").or_else(|| line.strip_prefix("pub const fn "));
        if let Some(function) = function {
            let name = function.split(['(', '<']).next().unwrap();
            functions.push((name.to_owned(), has_asserting_example(&documentation)));
        }
        documentation.clear();
    }
    functions
}

/// True with a code block that `cargo test --doc` runs and that contains an assertion.
fn has_asserting_example(documentation: &[&str]) -> bool {
    let (mut in_block, mut runs) = (false, false);
    for line in documentation {
        if let Some(attributes) = line.strip_prefix("```") {
            in_block = !in_block;
            runs = in_block && matches!(attributes, "" | "rust");
        } else if runs && line.trim_start_matches("# ").starts_with("assert") {
            return true;
        }
    }
    false
}

#[test]
fn every_public_method_of_the_dsl_has_an_example_that_asserts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dsl");
    let mut functions = Vec::new();
    for path in sources(&folder) {
        let place = path.strip_prefix(&folder).unwrap().display().to_string();
        let of_file = public_functions(&fs::read_to_string(&path).unwrap());
        functions.extend(of_file.into_iter().map(|(name, documented)| (format!("{place}: {name}"), documented)));
    }
    assert!(functions.len() > 80, "only {} public methods found, expected those of the whole DSL", functions.len());
    let missing: Vec<&str> = functions.iter().filter(|(_, documented)| !documented).map(|(function, _)| function.as_str()).collect();
    assert!(missing.is_empty(), "no example that runs and asserts something:\n{}", missing.join("\n"));
}

#[test]
fn an_example_counts_only_if_it_runs_and_asserts() {
    let cases = [
        ("/// Text.\npub fn named() {", false),
        ("/// ```\n/// named();\n/// ```\npub fn named() {", false),
        ("/// ```ignore\n/// assert!(named());\n/// ```\npub fn named() {", false),
        ("/// ```no_run\n/// assert!(named());\n/// ```\npub const fn named() {", false),
        ("/// ```\n/// named();\n/// ```\n/// assert it yourself\npub fn named() {", false),
        ("/// ```\n/// assert!(other());\n/// ```\npub fn other() {\n}\n\npub fn named() {", false),
        ("/// ```\n/// assert!(named());\n/// ```\n#[must_use]\npub fn named<T>() {", true),
        ("/// ```\n/// # assert!(named());\n/// ```\npub const fn named() {", true),
    ];
    for (source, expected) in cases {
        assert_eq!(public_functions(source).last(), Some(&("named".to_owned(), expected)), "{source}");
    }
    assert_eq!(public_functions("pub(crate) fn named() {"), []);
}
