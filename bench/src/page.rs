//! The table's place in a page of the documentation, between two comments.

use anyhow::{Context, Result};

const BEGIN: &str = "<!-- fleet: written by `make bench` -->\n";
const END: &str = "<!-- /fleet -->";

/// The page with another table.
///
/// # Errors
/// The page has no place for it.
pub fn replace_table(page: &str, table: &str) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).context("the page has no place for the table")?;
    let (_, after) = rest.split_once(END).context("the place for the table has no end")?;
    Ok(format!("{before}{BEGIN}{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_table_is_replaced() {
        let page = format!("words\n{BEGIN}old\n{END}\nmore words\n");
        let page = replace_table(&page, "new\n").expect("a place");
        assert_eq!(page, format!("words\n{BEGIN}new\n{END}\nmore words\n"));
        assert!(replace_table("words", "new").is_err());
    }
}
