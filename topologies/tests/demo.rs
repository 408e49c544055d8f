//! `straum demo`: its answers are those of the specification, and a second start restores instead of reading again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::process::Command;

use serde_json::{Value, json};

fn demo(data: &std::path::Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_straum")).args(["demo", "--json", "--data"]).arg(data).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn rows(demo: &Value, store: &str) -> Value {
    demo["stores"].as_array().unwrap().iter().find(|row| row["store"] == store).unwrap()["rows"].clone()
}

/// Whoever ran it by its path has no `straum` to type.
#[test]
fn what_it_says_to_type_runs() {
    let (data, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_straum")).canonicalize().unwrap();
    let above = program.ancestors().nth(2).unwrap();
    let below = format!("./{}", program.strip_prefix(above).unwrap().display());
    for (folder, typed) in [(above, below), (elsewhere.path(), program.display().to_string())] {
        let output = Command::new(&program).args(["demo", "--data"]).arg(data.path()).current_dir(folder).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let commands: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(&format!("  {typed} "))).collect();
        assert_eq!(commands.len(), 8, "{text}");
        assert!(commands.contains(&"describe datadeling --format mermaid"), "{text}");
    }
}

#[test]
fn a_demonstration_and_one_more() {
    let data = tempfile::tempdir().unwrap();
    let first = demo(data.path());
    assert_eq!((&first["read"], &first["messages"], &first["processedNow"]), (&json!(751), &json!(751), &json!(751)));
    let again = demo(data.path());
    assert_eq!((&again["read"], &again["messages"], &again["processedNow"]), (&json!(0), &json!(751), &json!(0)));
    assert!(again["restored"].as_array().unwrap().iter().any(|row| row["store"] == "avtale" && row["from"].as_i64().unwrap() > 0), "{again}");
    for demo in [&first, &again] {
        assert_eq!((rows(demo, "avtale"), rows(demo, "avtalenr")), (json!(612), json!(604)));
        let answer = |number: usize| &demo["answers"][number]["answer"];
        assert_eq!((&answer(0)["paaTiltak"], &answer(0)["antall"]), (&json!(true), &json!(29)));
        assert_eq!(answer(1).as_array().unwrap().len(), 2);
        let all = answer(2).as_array().unwrap().last().unwrap();
        assert_eq!(*all, json!({ "tiltakstype": null, "antallAvtaler": 86, "antallPersoner": 20 }));
        assert_eq!((&answer(3)["sumDager"], &answer(3)["unionDager"]), (&json!(1763), &json!(1087)));
        assert_eq!((&answer(4)["antallAvtaler"], &answer(4)["antallPersoner"]), (&json!(43), &json!(5)));
        let text = demo.to_string();
        assert!(!text.contains("24070178547") && text.contains("***********"), "personal ids are masked");
    }
}

/// An upgrade does not stop the demonstration; what the user keeps elsewhere is never deleted unasked.
#[test]
fn what_another_version_left_is_forgotten_only_where_it_is_the_demonstrations_own() {
    let cache = tempfile::tempdir().unwrap();
    let left = cache.path().join("straum/demo/log/journal-1");
    std::fs::create_dir_all(left.parent().unwrap()).unwrap();
    std::fs::write(&left, b"Sjnl of long ago").unwrap();
    let demo = || {
        let mut demo = Command::new(env!("CARGO_BIN_EXE_straum"));
        demo.args(["demo", "--json"]).env("XDG_CACHE_HOME", cache.path()).env_remove("STRAUM_DATA");
        demo
    };
    let refused = demo().arg("--data").arg(cache.path().join("straum/demo")).output().unwrap();
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && error.contains("has format Sjnl, expected Sjn") && error.contains("delete this one"), "{error}");
    assert_eq!(std::fs::read(&left).unwrap(), b"Sjnl of long ago");
    let begun = demo().output().unwrap();
    assert!(begun.status.success(), "{}", String::from_utf8_lossy(&begun.stderr));
    let begun: Value = serde_json::from_slice(&begun.stdout).unwrap();
    assert_eq!(begun["read"], json!(751));
}
