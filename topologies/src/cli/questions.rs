//! The five questions of the demonstration, asked of the query API as any client would.

use serde_json::{Value, json};
use straum_topologies::registry::{Answer, Behind, Call};

/// A question in words and in GraphQL, and how its answer becomes a table.
pub(super) struct Question {
    /// In words.
    pub(super) words: &'static str,
    /// In GraphQL.
    pub(super) query: &'static str,
    /// Its variables.
    pub(super) variables: fn() -> Value,
    /// The field of the answer.
    pub(super) field: &'static str,
    /// The table's header.
    pub(super) header: &'static [&'static str],
    /// The table's rows.
    pub(super) rows: fn(&Value) -> Vec<Vec<String>>,
}

pub(super) const QUESTIONS: [Question; 5] = [
    Question {
        words: "Is person 24070178547 on a tiltak on 15 June 2021?",
        query: "query($id: String!) { paaTiltak(identer: [$id], dato: \"2021-06-15\") { paaTiltak dato antall tiltakstyper avtaler { tiltakstype } ufullstendig } }",
        variables: || json!({ "id": "24070178547" }),
        field: "paaTiltak",
        header: &["på tiltak", "agreements", "kinds of measure"],
        rows: |answer| vec![vec![yes(&answer["paaTiltak"]), text(&answer["antall"]), by_type(&answer["avtaler"])]],
    },
    Question {
        words: "Which agreements does person 08529942754 have?",
        query: "query($id: String!) { avtalerForPerson(personnummer: $id) { avtaleNr tiltakstype avtaleStatus startDato sluttDato bedriftNr } }",
        variables: || json!({ "id": "08529942754" }),
        field: "avtalerForPerson",
        header: &["nr", "kind of measure", "status", "from", "to", "employer"],
        rows: |answer| {
            let fields = ["avtaleNr", "tiltakstype", "avtaleStatus", "startDato", "sluttDato", "bedriftNr"];
            list(answer).iter().map(|row| fields.iter().map(|field| text(&row[*field])).collect()).collect()
        },
    },
    Question {
        words: "How many are on a tiltak on 15 June 2021?",
        query: "{ antall(dato: \"2021-06-15\") { tiltakstype antallAvtaler antallPersoner } }",
        variables: || json!({}),
        field: "antall",
        header: &["kind of measure", "agreements", "persons"],
        rows: |answer| {
            let kind = |row: &Value| if row["tiltakstype"].is_null() { "all".to_owned() } else { text(&row["tiltakstype"]) };
            list(answer).iter().map(|row| vec![kind(row), text(&row["antallAvtaler"]), text(&row["antallPersoner"])]).collect()
        },
    },
    Question {
        words: "How long has person 11017811306 been on a tiltak, all in all?",
        query: "query($id: String!) { varighet(identer: [$id]) { antallAvtaler sumDager unionDager segmenter { fra til dager } } }",
        variables: || json!({ "id": "11017811306" }),
        field: "varighet",
        header: &["agreements", "days, overlaps counted twice", "days", "from – to"],
        rows: |answer| {
            let segments: Vec<String> =
                list(&answer["segmenter"]).iter().map(|segment| format!("{} – {}", text(&segment["fra"]), text(&segment["til"]))).collect();
            vec![vec![text(&answer["antallAvtaler"]), text(&answer["sumDager"]), text(&answer["unionDager"]), segments.join(", ")]]
        },
    },
    Question {
        words: "Who is at employer 910825526 on 15 June 2021?",
        query: "{ bedriftPaaDato(organisasjonsnummer: \"910825526\", dato: \"2021-06-15\") { antallAvtaler antallPersoner avtaler { deltakerFnr tiltakstype } } }",
        variables: || json!({}),
        field: "bedriftPaaDato",
        header: &["person", "agreements"],
        rows: |answer| {
            let mut persons: Vec<(String, usize)> = Vec::new();
            for row in list(&answer["avtaler"]) {
                let person = text(&row["deltakerFnr"]);
                match persons.iter_mut().find(|(known, _)| *known == person) {
                    Some((_, agreements)) => *agreements += 1,
                    None => persons.push((person, 1)),
                }
            }
            persons.sort();
            let all = (format!("{} persons", text(&answer["antallPersoner"])), text(&answer["antallAvtaler"]));
            persons
                .into_iter()
                .map(|(person, agreements)| (person, agreements.to_string()))
                .chain([all])
                .map(|(person, agreements)| vec![person, agreements])
                .collect()
        },
    },
];

impl Question {
    /// The call that asks it.
    pub(super) fn call(&self, now: i64, behind: Behind) -> Call {
        let body = json!({ "query": self.query, "variables": (self.variables)() });
        Call { method: "POST".to_owned(), path: "/graphql".to_owned(), body, now, behind }
    }

    /// The field of an answer, or what went wrong.
    pub(super) fn read(&self, answer: &Answer) -> Result<Value, String> {
        let found = answer.body.get("data").and_then(|data| data.get(self.field)).filter(|found| !found.is_null());
        let errors = answer.body.get("errors").and_then(Value::as_array).is_some_and(|errors| !errors.is_empty());
        if let Some(found) = found
            && answer.status == 200
            && !errors
        {
            return Ok(found.clone());
        }
        Err(format!("status {}: {}", answer.status, answer.body))
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    super::output::cell(value)
}

fn yes(value: &Value) -> String {
    if value == true { "yes".to_owned() } else { "no".to_owned() }
}

/// `MENTOR 2, VTAO 1`, in the order they first come.
fn by_type(avtaler: &Value) -> String {
    let mut kinds: Vec<(String, usize)> = Vec::new();
    for row in list(avtaler) {
        let kind = text(&row["tiltakstype"]);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((kind, 1)),
        }
    }
    kinds.sort();
    kinds.into_iter().map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", ")
}
