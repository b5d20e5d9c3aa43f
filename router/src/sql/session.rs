//! Statements about the session: transactions, settings, prepared statements.

use pg_raw_parse::nodes::{
    DiscardMode, ExecuteStmt, PrepareStmt, TransactionStmt, TransactionStmtKind, VariableSetKind,
    VariableSetStmt,
};
use pg_raw_parse::{ConstValue, Node, deparse};

use super::calls::constant;
use super::kind::{Arguments, Discarded, Kind, SetScope};
use super::lex::{Token, Tokens};
use crate::ids::{quote_identifier, quote_literal};

/// The statement printed from its tree: without comments.
pub(super) fn printed(node: Node<'_>) -> Option<String> {
    deparse(node).ok().map(|text| text.as_str().to_owned())
}

pub(super) fn transaction(statement: &TransactionStmt, node: Node<'_>) -> Kind {
    let name = || statement.savepoint_name().unwrap_or_default().to_owned();
    match statement.kind {
        TransactionStmtKind::TRANS_STMT_BEGIN | TransactionStmtKind::TRANS_STMT_START => {
            let read_only = statement.options().iter().any(|option| match option {
                Node::DefElem(option) => {
                    option.defname() == Some("transaction_read_only")
                        && constant(option.arg()).is_some_and(|value| value == "1" || value == "true")
                }
                _ => false,
            });
            match printed(node) {
                Some(text) => Kind::Begin { text, read_only },
                None => Kind::Other,
            }
        }
        TransactionStmtKind::TRANS_STMT_COMMIT => Kind::Commit { chain: statement.chain },
        TransactionStmtKind::TRANS_STMT_ROLLBACK => Kind::Rollback { chain: statement.chain },
        TransactionStmtKind::TRANS_STMT_SAVEPOINT => Kind::Savepoint(name()),
        TransactionStmtKind::TRANS_STMT_RELEASE => Kind::Release(name()),
        TransactionStmtKind::TRANS_STMT_ROLLBACK_TO => Kind::RollbackTo(name()),
        TransactionStmtKind::TRANS_STMT_PREPARE => Kind::PrepareTransaction,
        _ => Kind::PreparedTransaction,
    }
}

pub(super) fn set(statement: &VariableSetStmt, node: Node<'_>) -> Kind {
    let name = statement.name().unwrap_or_default().to_owned();
    if name == "SESSION CHARACTERISTICS" {
        return characteristics(statement);
    }
    let of_transaction = name == "TRANSACTION";
    let name = if of_transaction { name } else { name.to_ascii_lowercase() };
    let scope = match (of_transaction, statement.is_local) {
        (true, _) => SetScope::Transaction,
        (false, true) => SetScope::Local,
        (false, false) => SetScope::Session,
    };
    match statement.kind {
        VariableSetKind::VAR_SET_VALUE => {
            let values: Option<Vec<(String, String)>> = statement.args().iter().map(setting_value).collect();
            match (values, printed(node)) {
                (Some(values), _) => {
                    let (mut values, literals): (Vec<String>, Vec<String>) = values.into_iter().unzip();
                    if name == "search_path" {
                        // SHOW has them as names, and so are they read.
                        values = values.iter().map(|schema| as_name(schema)).collect();
                    }
                    let text = set_text(&name, scope, &literals.join(", "));
                    Kind::Set { name, scope, value: Some(values.join(", ")), text }
                }
                (None, Some(text)) => Kind::Set { name, scope, value: None, text },
                (None, None) => Kind::Other,
            }
        }
        VariableSetKind::VAR_SET_DEFAULT => {
            let text = set_text(&name, scope, "DEFAULT");
            Kind::Set { name, scope, value: None, text }
        }
        VariableSetKind::VAR_SET_MULTI if name != "TRANSACTION SNAPSHOT" => match printed(node) {
            Some(text) => Kind::Set { name, scope, value: None, text },
            None => Kind::Other,
        },
        VariableSetKind::VAR_RESET => Kind::Reset(name),
        VariableSetKind::VAR_RESET_ALL => Kind::ResetAll,
        _ => Kind::Other,
    }
}

/// A name as it must be written to be read as it is.
fn as_name(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    match name.bytes().all(plain)
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
    {
        true => name.to_owned(),
        false => quote_identifier(name),
    }
}

/// SET SESSION CHARACTERISTICS of one kind is SET of the default that it stands for (PostgreSQL manual,
/// SET TRANSACTION).
fn characteristics(statement: &VariableSetStmt) -> Kind {
    let options: Vec<Node<'_>> = statement.args().iter().collect();
    let [Node::DefElem(option)] = options.as_slice() else { return Kind::Other };
    let (Some(name), Some(value)) = (option.defname(), constant(option.arg())) else { return Kind::Other };
    let name = format!("default_{name}");
    let text = set_text(&name, SetScope::Session, &quote_literal(&value));
    Kind::Set { name, scope: SetScope::Session, value: Some(value), text }
}

/// A value as text and as it is written in SET; `None` for an interval with fields, as in SET TIME ZONE.
fn setting_value(node: Node<'_>) -> Option<(String, String)> {
    let Node::A_Const(constant) = node else { return None };
    match constant.val()? {
        ConstValue::String(text) => Some((text.to_owned(), quote_literal(text))),
        ConstValue::Integer(value) => Some((value.to_string(), value.to_string())),
        ConstValue::Float(text) => Some((text.to_owned(), text.to_owned())),
        _ => None,
    }
}

fn set_text(name: &str, scope: SetScope, value: &str) -> String {
    let parts: Vec<String> = name.split('.').map(quote_identifier).collect();
    let local = if scope == SetScope::Local { "LOCAL " } else { "" };
    format!("SET {local}{} TO {value}", parts.join("."))
}

pub(super) fn discard(target: DiscardMode::Type) -> Kind {
    match target {
        DiscardMode::DISCARD_ALL => Kind::Discard(Discarded::All),
        DiscardMode::DISCARD_PLANS => Kind::Discard(Discarded::Plans),
        DiscardMode::DISCARD_SEQUENCES => Kind::Discard(Discarded::Sequences),
        DiscardMode::DISCARD_TEMP => Kind::Discard(Discarded::Temp),
        _ => Kind::Other,
    }
}

/// `PREPARE name (types) AS body`, cut out of the text.
pub(super) fn prepare(statement: &PrepareStmt, text: &str) -> Kind {
    let mut tokens = Tokens::of(text).filter(|(token, _)| *token != Token::Comment).skip(2);
    let mut types = String::new();
    let mut next = tokens.next();
    if let Some((_, open)) = next.clone().filter(|(_, range)| text.get(range.clone()) == Some("(")) {
        let mut depth = 1;
        for (_, range) in tokens.by_ref() {
            match text.get(range.clone()) {
                Some("(") => depth += 1,
                Some(")") => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                types = text.get(open.end..range.start).unwrap_or_default().trim().to_owned();
                break;
            }
        }
        next = tokens.next();
    }
    match next {
        Some((Token::Word, range))
            if text.get(range.clone()).is_some_and(|word| word.eq_ignore_ascii_case("as")) =>
        {
            let body = text.get(range.end..).unwrap_or_default().trim();
            let body = body.trim_end_matches([';', ' ', '\t', '\n', '\r']).to_owned();
            Kind::Prepare { name: statement.name().unwrap_or_default().to_owned(), types, body }
        }
        _ => Kind::Other,
    }
}

/// `EXECUTE name (arguments)`: the arguments are cut out of the text where they are more than literals.
pub(super) fn execute(statement: &ExecuteStmt, text: &str) -> Kind {
    let name = statement.name().unwrap_or_default().to_owned();
    let literals: Option<Vec<Option<String>>> = statement.params().iter().map(literal).collect();
    if let Some(literals) = literals {
        return Kind::Execute { name, arguments: Arguments::Literals(literals) };
    }
    let mut words = Tokens::of(text).filter(|(token, _)| *token != Token::Comment).skip(2);
    let (Some((_, open)), Some((_, close))) = (words.next(), words.last()) else { return Kind::Other };
    let end = match text.get(close.clone()) {
        Some(";") => text.get(..close.start).and_then(|text| text.rfind(')')),
        Some(")") => Some(close.start),
        _ => None,
    };
    match end.and_then(|end| text.get(open.end..end)) {
        Some(inside) if text.get(open.clone()) == Some("(") => {
            let count = statement.params().iter().count();
            let before = text.get(..open.end).map_or(0, |text| text.chars().count());
            Kind::Execute { name, arguments: Arguments::Computed { count, text: inside.to_owned(), before } }
        }
        Some(_) | None => Kind::Other,
    }
}

/// A literal that any type may read: a string, a whole number or NULL, without a cast.
fn literal(node: Node<'_>) -> Option<Option<String>> {
    match node {
        Node::A_Const(constant) if constant.isnull => Some(None),
        Node::A_Const(constant) => match constant.val()? {
            ConstValue::String(text) => Some(Some(text.to_owned())),
            ConstValue::Integer(value) => Some(Some(value.to_string())),
            _ => None,
        },
        _ => None,
    }
}
