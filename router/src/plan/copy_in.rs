//! COPY FROM STDIN: how its data is written, and where each row's tenant key stands.

use std::sync::Arc;

use super::place::Placing;
use super::request::Request;
use super::{CopyIn, CopyRows, Leg, Plan, Refusal, Role, Tenants, Verdict, Way, everywhere, refusals};
use crate::catalog::{Column, Relation};
use crate::copy::{CopyFormat, CsvLayout, Layout, TextLayout};
use crate::ids::KeyType;
use crate::sql::{CopyOption, Learned, learn};

/// Plans COPY FROM STDIN.
pub(super) fn decide(
    request: &Request<'_>,
    columns: &[String],
    options: &[CopyOption],
    filtered: bool,
) -> Result<Verdict, Refusal> {
    let touched = request.statement.touched();
    let mut targets = touched.sharded.iter().map(|reference| &reference.relation).chain(&touched.writes);
    if let Some(view) = targets.find(|relation| relation.view.is_some()) {
        return Err(Refusal {
            sqlstate: "42809",
            message: format!("cannot copy to view \"{}\"", view.name),
            hint: "To enable copying to a view, provide an INSTEAD OF INSERT trigger.".into(),
        });
    }
    let Some(reference) = touched.sharded.first() else {
        let several = request.directory.servers().len() > 1;
        return match (touched.unsafe_tables.first(), touched.writes.first()) {
            (Some(relation), _) if several => Err(refusals::unsafe_reason(relation)),
            (_, Some(relation)) if several => copies(request, relation, columns, filtered),
            (Some(_) | None, Some(_) | None) => {
                Ok(request.beside(request.stay(), "a table that is not sharded"))
            }
        };
    };
    let relation = &reference.relation;
    let format = format_of(relation, columns, options)?;
    let tenants = match &request.tenant {
        Some(tenant) => Tenants::Some([tenant.clone()].into()),
        None => Tenants::All,
    };
    let mut placing = Placing::default();
    match &request.tenant {
        Some(tenant) => drop(placing.tenants(request.directory, std::slice::from_ref(tenant))),
        None => placing.all(request.directory),
    }
    let copy = CopyRows { relation: relation.clone(), format, only: request.tenant.clone() };
    let plan = Plan {
        way: Way::CopyIn(Arc::new(CopyIn::Rows(copy))),
        legs: request.directory.holders().into_iter().map(Leg::on).collect(),
        role: Role::Primary,
        tenants,
        why: "each row goes to its tenant's server".into(),
    };
    Ok(placing.verdict(request, plan))
}

/// A table of which every server has a copy: each takes all rows, as long as it stores the same.
fn copies(
    request: &Request<'_>,
    relation: &Relation,
    columns: &[String],
    filtered: bool,
) -> Result<Verdict, Refusal> {
    if filtered {
        return Err(Refusal::unsupported(
            "COPY ... WHERE into a table of which every server has a copy",
            "Leave the condition out, and delete what it would have left out.",
        ));
    }
    if relation.may_act_otherwise() {
        return Err(refusals::triggers_reason(relation));
    }
    let left = |column: &&Column| !columns.is_empty() && !columns.contains(&column.name) && !column.generated;
    let differs = |column: &&Column| column.default.as_deref().is_some_and(|sql| may_differ(request, sql));
    if let Some(column) = relation.columns.iter().filter(left).find(differs) {
        return Err(refusals::default_reason(&column.name));
    }
    Ok(match everywhere::on_all(request, "every server has a copy")? {
        Verdict::Run(plan) => Verdict::Run(Plan { way: Way::CopyIn(Arc::new(CopyIn::Copies)), ..plan }),
        verdict @ (Verdict::Wait(_) | Verdict::Learn | Verdict::Refuse(_)) => verdict,
    })
}

/// True for a default that two servers could compute otherwise.
fn may_differ(request: &Request<'_>, default: &str) -> bool {
    match learn(&format!("SELECT {default}"), request.catalog, request.statement.path()) {
        Learned::Statements(statements) => statements.iter().any(|statement| {
            let calls = statement.calls();
            calls.differs.is_some() || calls.opaque.is_some()
        }),
        Learned::SyntaxError | Learned::TooComplex | Learned::Empty => true,
    }
}

fn format_of(relation: &Relation, columns: &[String], options: &[CopyOption]) -> Result<CopyFormat, Refusal> {
    let Some((tenant, key_type)) = relation.tenant_column() else {
        return Err(Refusal::unsupported("COPY into a view is not supported", "Copy into the table."));
    };
    let names: Vec<&str> = match columns {
        [] => relation
            .columns
            .iter()
            .filter(|column| !column.generated)
            .map(|column| column.name.as_str())
            .collect(),
        columns => columns.iter().map(String::as_str).collect(),
    };
    let key_field = names.iter().position(|name| *name == tenant.name).ok_or_else(|| Refusal {
        sqlstate: "0A000",
        message: format!("COPY does not give column \"{}\", which says whose row it is", tenant.name),
        hint: format!("List \"{}\" among the columns.", tenant.name),
    })?;
    // Each server reads the rows that it gets by these; they change neither where a row ends nor a key of digits.
    let is_the_servers = |option: &&CopyOption| match option.name.as_str() {
        "freeze" => true,
        "encoding" => {
            key_type != KeyType::Text && option.values.first().is_some_and(|name| is_one_byte(name))
        }
        _ => false,
    };
    let options: Vec<CopyOption> = options.iter().filter(|option| !is_the_servers(option)).cloned().collect();
    let layout = layout_of(&options, &tenant.name)?;
    let longest_key = tenant.longest_text();
    Ok(CopyFormat { layout, fields: names.len(), key_field, key_type, longest_key })
}

/// True for the name of an encoding with one byte a character, of which the first half is ASCII.
fn is_one_byte(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    let numbered =
        |family: &str| name.strip_prefix(family).is_some_and(|number| number.parse::<u8>().is_ok());
    numbered("latin")
        || numbered("iso8859")
        || name.starts_with("win125")
        || name.starts_with("windows125")
        || matches!(name.as_str(), "win866" | "win874" | "koi8" | "koi8r" | "koi8u" | "sqlascii")
}

pub(super) fn layout_of(options: &[CopyOption], key: &str) -> Result<Layout, Refusal> {
    let format =
        options.iter().find(|option| option.name == "format").and_then(|option| option.values.first());
    let mut text = TextLayout::default();
    let mut csv = CsvLayout::default();
    let mut escape = None;
    for option in options {
        let value = || option.values.first().cloned().unwrap_or_default();
        let holds_key = || option.values.iter().any(|name| name == key || name == "*");
        match option.name.as_str() {
            "format" => {}
            "delimiter" => (text.delimiter, csv.delimiter) = (byte(option)?, byte(option)?),
            "null" => (text.null, csv.null) = (value(), value()),
            "default" => (text.default, csv.default) = (Some(value()), Some(value())),
            "header" => {
                let off = matches!(value().to_ascii_lowercase().as_str(), "false" | "off" | "0");
                (text.header, csv.header) = (!off, !off);
            }
            "quote" => csv.quote = byte(option)?,
            "escape" => escape = Some(byte(option)?),
            "force_null" => csv.force_null_key = holds_key(),
            "force_not_null" => csv.force_not_null_key = holds_key(),
            "encoding" if matches!(value().to_ascii_lowercase().as_str(), "utf8" | "utf-8" | "unicode") => {}
            other => {
                return Err(Refusal::unsupported(
                    format!("option {other} of COPY FROM is not supported for a sharded table"),
                    "Leave the option out; data must be UTF-8.",
                ));
            }
        }
    }
    csv.escape = escape.unwrap_or(csv.quote);
    match format.map(|format| format.to_ascii_lowercase()).as_deref() {
        None | Some("text") => Ok(Layout::Text(text)),
        Some("csv") => Ok(Layout::Csv(csv)),
        Some("binary") => Ok(Layout::Binary),
        Some(other) => Err(Refusal {
            sqlstate: "22023",
            message: format!("COPY format \"{other}\" not recognized"),
            hint: "Use text, csv or binary.".into(),
        }),
    }
}

fn byte(option: &CopyOption) -> Result<u8, Refusal> {
    match option.values.first().map(|value| value.as_bytes()) {
        Some([byte]) => Ok(*byte),
        _ => Err(Refusal {
            sqlstate: "0A000",
            message: format!("COPY {} must be a single one-byte character", option.name),
            hint: String::new(),
        }),
    }
}
