//! What a statement names that its session may have made for itself: temporary tables, their indexes, views over
//! them. PostgreSQL finds such a name before any other, and it is on the one connection that the session keeps;
//! only that connection's server can say which names these are.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{
    CreateFunctionStmt, DefElem, DropStmt, GrantTargetType, ObjectType, RangeVar, SelectStmt, TypeName,
};

use super::calls::constant;
use super::lex::{Token, Tokens};
use super::walk::children;

/// The names, not quoted, by what they make of the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OwnNames {
    /// It concerns these and nothing else.
    Of(Vec<String>),
    /// What it makes is the session's own where one of these is.
    MadeOf(Vec<String>),
    /// What it makes is everybody's, so that none of these may be the session's own.
    Shared(Vec<String>),
}

/// What schema changes, upkeep and `setval` name; `None` where no temporary object can be meant.
pub(super) fn own_names(node: Node<'_>) -> Option<OwnNames> {
    let of = |range: Option<&RangeVar>| Some(OwnNames::Of(vec![unqualified(range?)?]));
    let of_all = |ranges: Option<Vec<String>>| ranges.filter(|names| !names.is_empty()).map(OwnNames::Of);
    match node {
        Node::DropStmt(drop) => of_all(dropped(drop)),
        Node::AlterTableStmt(alter) => of(alter.relation()),
        Node::AlterSeqStmt(alter) => of(alter.sequence()),
        Node::IndexStmt(create) => of(create.relation()),
        Node::RuleStmt(create) => of(create.relation()),
        Node::CreateTrigStmt(create) => of(create.relation()),
        Node::CreatePolicyStmt(create) => of(create.table()),
        Node::RenameStmt(rename) => of(rename.relation()),
        Node::ReindexStmt(reindex) => of(reindex.relation()),
        Node::ClusterStmt(cluster) => of(cluster.relation()),
        Node::CommentStmt(comment) => of_all(commented(comment.objtype, comment.object())),
        // Of anything else but relations, the objects are no names of relations.
        Node::GrantStmt(grant)
            if grant.targtype == GrantTargetType::ACL_TARGET_OBJECT
                && [ObjectType::OBJECT_TABLE, ObjectType::OBJECT_SEQUENCE].contains(&grant.objtype) =>
        {
            of_all(grant.objects().iter().map(unqualified).collect())
        }
        Node::ViewStmt(view) => Some(over(view.query())),
        Node::CreateStmt(create) => {
            let parents = create.inh_relations().iter().filter_map(range_of);
            let like = create.table_elts().iter().filter_map(|part| match part {
                Node::TableLikeClause(like) => like.relation(),
                _ => None,
            });
            let names: Vec<String> = parents.chain(like).filter_map(unqualified).collect();
            (!names.is_empty()).then_some(OwnNames::Shared(names))
        }
        Node::CreateFunctionStmt(create) => Some(OwnNames::Shared(said_by(create))),
        Node::SelectStmt(select) => of_all(set(select)),
        // No other statement is about relations by their names alone.
        _ => None,
    }
}

/// The name that a temporary relation could have: one without a schema, or in `pg_temp`.
fn unqualified(range: &RangeVar) -> Option<String> {
    let name = range.relname()?;
    matches!(range.schemaname(), None | Some("pg_temp")).then(|| name.to_owned())
}

fn range_of(node: Node<'_>) -> Option<&RangeVar> {
    match node {
        Node::RangeVar(range) => Some(range),
        _ => None,
    }
}

fn name_of(parts: &[&str]) -> Option<String> {
    match parts {
        [name] | ["pg_temp", name] => Some((*name).to_owned()),
        _ => None,
    }
}

fn parts_of(node: Node<'_>) -> Option<Vec<&str>> {
    match node {
        Node::NodeList(parts) => parts.iter().map(Node::as_str).collect(),
        _ => None,
    }
}

/// All that a DROP drops, or the tables of the rules and triggers; `None` where something has a schema.
fn dropped(drop: &DropStmt) -> Option<Vec<String>> {
    let name = |object: Node<'_>| match object {
        Node::TypeName(name) => type_name(name),
        object => commented(drop.remove_type, object)?.pop(),
    };
    drop.objects().iter().map(name).collect()
}

fn type_name(name: &TypeName) -> Option<String> {
    name_of(&name.names().iter().filter_map(|part| part.sval()).collect::<Vec<_>>())
}

/// What the name of an object of a kind belongs to.
fn commented(kind: ObjectType::Type, object: Node<'_>) -> Option<Vec<String>> {
    let parts = parts_of(object)?;
    let of_relation = match kind {
        ObjectType::OBJECT_TABLE
        | ObjectType::OBJECT_VIEW
        | ObjectType::OBJECT_INDEX
        | ObjectType::OBJECT_SEQUENCE
        | ObjectType::OBJECT_MATVIEW => parts.as_slice(),
        // The last part is the name within the table.
        ObjectType::OBJECT_COLUMN
        | ObjectType::OBJECT_RULE
        | ObjectType::OBJECT_TRIGGER
        | ObjectType::OBJECT_POLICY
        | ObjectType::OBJECT_TABCONSTRAINT => parts.split_last()?.1,
        _ => return None,
    };
    Some(vec![name_of(of_relation)?])
}

/// A view's query. A CTE hides what has its name: it is not known then what is meant.
fn over(query: Node<'_>) -> OwnNames {
    let (mut names, mut hidden) = (Vec::new(), Vec::new());
    let mut stack = vec![query];
    while let Some(node) = stack.pop() {
        match node {
            Node::RangeVar(range) => names.extend(unqualified(range)),
            Node::CommonTableExpr(cte) => hidden.extend(cte.ctename().map(str::to_owned)),
            // Only these name relations.
            _ => {}
        }
        stack.extend(children(node).unwrap_or_default());
    }
    if names.iter().any(|name| hidden.contains(name)) {
        return OwnNames::Shared(names);
    }
    OwnNames::MadeOf(names)
}

/// The words of a function's definition: its types, and its text where PostgreSQL looks into that at once.
fn said_by(create: &CreateFunctionStmt) -> Vec<String> {
    let types = create.parameters().iter().filter_map(|parameter| parameter.arg_type());
    let mut words: Vec<String> = types.chain(create.return_type()).filter_map(type_name).collect();
    let option = |name: &str| create.options().iter().find(|option| option.defname() == Some(name));
    let language = option("language").map(DefElem::arg).and_then(constant_or_name);
    if language.is_none_or(|language| language.eq_ignore_ascii_case("sql")) {
        if let Some(Node::NodeList(text)) = option("as").map(DefElem::arg) {
            words.extend(text.iter().filter_map(Node::as_str).flat_map(words_of));
        }
        let mut stack = vec![create.sql_body()];
        while let Some(node) = stack.pop() {
            words.extend(range_of(node).and_then(unqualified));
            stack.extend(children(node).unwrap_or_default());
        }
    }
    words
}

fn constant_or_name(node: Node<'_>) -> Option<String> {
    node.as_str().map(str::to_owned).or_else(|| constant(node))
}

fn words_of(text: &str) -> Vec<String> {
    let word = |(token, range): (Token, std::ops::Range<usize>)| match token {
        Token::Word => Some(text[range].to_lowercase()),
        Token::Quoted => Some(text[range].trim_matches(['"', '\'']).replace("\"\"", "\"")),
        Token::Comment | Token::Sign => None,
    };
    Tokens::of(text).filter_map(word).collect()
}

/// The sequences that a SELECT calls `setval` for, where it does nothing else and they are constants.
fn set(select: &SelectStmt) -> Option<Vec<String>> {
    let sequence = |target: &pg_raw_parse::nodes::ResTarget| {
        let Node::FuncCall(call) = target.val() else { return None };
        let name = call.funcname().iter().filter_map(Node::as_str).next_back()?;
        let text = constant(call.args().iter().next()?)?;
        let folded = match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\"\"", "\""),
            None => text.to_lowercase(),
        };
        (name == "setval" && !folded.contains('.')).then_some(folded)
    };
    select.target_list().iter().map(sequence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Catalog, SearchPath};
    use crate::sql::{Learned, learn};

    fn names(text: &str) -> Option<OwnNames> {
        let Learned::Statements(statements) = learn(text, &Catalog::default(), &SearchPath::standard("app"))
        else {
            panic!("{text} is a statement");
        };
        own_names(statements[0].raw().stmt())
    }

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_a_statement_is_about_is_named_exactly_or_not_at_all() {
        for (text, own) in [
            ("DROP INDEX i, pg_temp.\"J\"", Some(&["i", "J"][..])),
            ("DROP TABLE t, other.u", None),
            ("DROP RULE r ON t", Some(&["t"])),
            ("DROP TRIGGER g ON s.t", None),
            ("ALTER TABLE t ADD c int", Some(&["t"])),
            ("COMMENT ON COLUMN t.c IS 'x'", Some(&["t"])),
            ("SELECT setval('S', 1), setval('\"S\"', 2)", Some(&["s", "S"])),
            ("SELECT setval('s', 1), now()", None),
            ("GRANT SELECT ON t, u TO ann", Some(&["t", "u"])),
            ("GRANT USAGE ON SCHEMA public TO ann", None),
            ("GRANT ALL ON ALL TABLES IN SCHEMA public TO ann", None),
            ("GRANT EXECUTE ON FUNCTION f(int) TO ann", None),
            ("GRANT CREATE ON DATABASE app TO ann", None),
            ("GRANT USAGE ON TYPE mood TO ann", None),
            ("CREATE STATISTICS s ON a, b FROM t", None),
            ("DROP FUNCTION f(int), g(text)", None),
            ("DROP CAST (int AS text)", None),
            ("DROP SCHEMA s", None),
            ("DROP OPERATOR +(int, int)", None),
            ("COMMENT ON FUNCTION f(int) IS 'x'", None),
            ("COMMENT ON DATABASE app IS 'x'", None),
            ("COMMENT ON CONSTRAINT c ON t IS 'x'", Some(&["t"])),
        ] {
            assert_eq!(names(text), own.map(|own| OwnNames::Of(list(own))), "{text}");
        }
    }

    #[test]
    fn what_is_made_of_a_temporary_table_is_temporary_or_everybodys() {
        let view = names("CREATE VIEW v AS SELECT * FROM a WHERE EXISTS (SELECT FROM b)");
        assert!(matches!(view, Some(OwnNames::MadeOf(names)) if names.len() == 2));
        let hidden = names("CREATE VIEW v AS WITH a AS (SELECT 1) SELECT * FROM a");
        assert!(matches!(hidden, Some(OwnNames::Shared(_))));
        assert_eq!(names("CREATE TABLE t (LIKE a)"), Some(OwnNames::Shared(list(&["a"]))));
        assert_eq!(names("CREATE TABLE t (a int)"), None);
        let sql = names("CREATE FUNCTION f(t) RETURNS int LANGUAGE sql AS 'SELECT 1 FROM \"U\"'");
        let Some(OwnNames::Shared(words)) = sql else { panic!("{sql:?}") };
        assert!(words.contains(&"t".to_owned()) && words.contains(&"U".to_owned()));
        let other = names("CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1 FROM u; END'");
        assert!(!matches!(other, Some(OwnNames::Shared(words)) if words.contains(&"u".to_owned())));
    }
}
