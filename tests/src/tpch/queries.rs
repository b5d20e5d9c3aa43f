//! The 22 queries with the values of the specification's validation run: as they are, and as an application writes them
//! whose rows carry a tenant.

use tpchgen::q_and_a::queries::query;

/// The values of `:1`, `:2` ... of each query.
const VALUES: [&[&str]; 22] = [
    &["90"],
    &["15", "BRASS", "EUROPE"],
    &["BUILDING", "1995-03-15"],
    &["1993-07-01"],
    &["ASIA", "1994-01-01"],
    &["1994-01-01", "0.06", "24"],
    &["FRANCE", "GERMANY"],
    &["BRAZIL", "AMERICA", "ECONOMY ANODIZED STEEL"],
    &["green"],
    &["1993-10-01"],
    &["GERMANY", "0.0001000000"],
    &["MAIL", "SHIP", "1994-01-01"],
    &["special", "requests"],
    &["1995-09-01"],
    &["1996-01-01"],
    &["Brand#45", "MEDIUM POLISHED", "49", "14", "23", "45", "19", "3", "36", "9"],
    &["Brand#23", "MED BOX"],
    &["300"],
    &["Brand#12", "Brand#23", "Brand#34", "1", "10", "20"],
    &["forest", "1994-01-01", "CANADA"],
    &["SAUDI ARABIA"],
    &["13", "31", "23", "29", "30", "18", "17"],
];

/// What the specification asks of at most.
const LIMITS: [(usize, usize); 5] = [(2, 100), (3, 10), (10, 20), (18, 100), (21, 100)];

/// Joins that stay within a customer, and how they say so.
const TIES: [(&str, &str); 7] = [
    ("c_custkey = o_custkey", "c_custkey = o_custkey and customer.tenant_id = orders.tenant_id"),
    ("o_custkey = c_custkey", "o_custkey = c_custkey and orders.tenant_id = customer.tenant_id"),
    ("l_orderkey = o_orderkey", "l_orderkey = o_orderkey and lineitem.tenant_id = orders.tenant_id"),
    ("o_orderkey = l_orderkey", "o_orderkey = l_orderkey and orders.tenant_id = lineitem.tenant_id"),
    ("o_orderkey = l1.l_orderkey", "o_orderkey = l1.l_orderkey and orders.tenant_id = l1.tenant_id"),
    ("l2.l_orderkey = l1.l_orderkey", "l2.l_orderkey = l1.l_orderkey and l2.tenant_id = l1.tenant_id"),
    ("l3.l_orderkey = l1.l_orderkey", "l3.l_orderkey = l1.l_orderkey and l3.tenant_id = l1.tenant_id"),
];

/// A query of the benchmark.
#[derive(Debug, Clone)]
pub struct Query {
    /// Its number, with a `t` where its joins name the tenant.
    pub name: String,
    /// The statements that make it; one of them returns rows.
    pub statements: Vec<String>,
}

/// All queries, plain and with tenants; those without a join within a customer are the same and stand once.
///
/// # Panics
/// The crate has lost a query.
#[must_use]
pub fn queries() -> Vec<Query> {
    let mut all = Vec::new();
    for (number, values) in (1..).zip(VALUES) {
        let mut text = query(number).expect("22 queries").trim().to_owned();
        // The longest numbers first: `:1` begins `:10`.
        for (at, value) in values.iter().enumerate().rev() {
            text = text.replace(&format!(":{}", at + 1), value);
        }
        // PostgreSQL has no precision of days there.
        text = text.replace("revenue:s", "revenue0").replace(" day (3)", " day");
        for (of, rows) in LIMITS {
            if i32::try_from(of) == Ok(number) {
                text = text.replace(';', &format!(" limit {rows};"));
            }
        }
        let tied = TIES.iter().fold(text.clone(), |text, (plain, tied)| text.replace(plain, tied));
        if tied != text {
            all.push(Query { name: format!("{number}t"), statements: statements(&tied) });
        }
        all.push(Query { name: number.to_string(), statements: statements(&text) });
    }
    all
}

fn statements(text: &str) -> Vec<String> {
    text.split(';').map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect()
}
