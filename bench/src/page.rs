//! The tables' places in a page of the documentation, each between two comments.

use anyhow::{Context, Result};

/// The page with other tables of a benchmark of this name.
///
/// # Errors
/// The page has no place for them.
pub fn replace_tables(page: &str, name: &str, tables: &str) -> Result<String> {
    let begin = format!("<!-- {name}: written by `make bench` -->\n");
    let end = format!("<!-- /{name} -->");
    let (before, rest) = page.split_once(&begin).context("the page has no place for the tables")?;
    let (_, after) = rest.split_once(&end).context("the place for the tables has no end")?;
    Ok(format!("{before}{begin}{tables}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tables_are_replaced() {
        let page = |tables: &str| {
            format!("words\n<!-- one: written by `make bench` -->\n{tables}\n<!-- /one -->\nmore words\n")
        };
        assert_eq!(replace_tables(&page("old"), "one", "new\n").expect("a place"), page("new"));
        assert!(replace_tables(&page("old"), "other", "new").is_err());
    }
}
