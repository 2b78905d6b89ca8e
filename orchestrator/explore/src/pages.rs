//! A page for every finding.

use amends_core::definition::Page;

/// Every page, by code.
pub fn pages() -> &'static [Page] {
    &PAGES
}

/// The page of a code, in whatever case it is written.
pub fn explain(code: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.code.eq_ignore_ascii_case(code))
}

static PAGES: [Page; 28] = [
    Page { code: "F0101", text: include_str!("pages/F0101.md") },
    Page { code: "F0102", text: include_str!("pages/F0102.md") },
    Page { code: "F0103", text: include_str!("pages/F0103.md") },
    Page { code: "F0104", text: include_str!("pages/F0104.md") },
    Page { code: "F0201", text: include_str!("pages/F0201.md") },
    Page { code: "F0202", text: include_str!("pages/F0202.md") },
    Page { code: "F0203", text: include_str!("pages/F0203.md") },
    Page { code: "F0204", text: include_str!("pages/F0204.md") },
    Page { code: "F0301", text: include_str!("pages/F0301.md") },
    Page { code: "F0302", text: include_str!("pages/F0302.md") },
    Page { code: "F0303", text: include_str!("pages/F0303.md") },
    Page { code: "F0304", text: include_str!("pages/F0304.md") },
    Page { code: "F0305", text: include_str!("pages/F0305.md") },
    Page { code: "F0306", text: include_str!("pages/F0306.md") },
    Page { code: "F0307", text: include_str!("pages/F0307.md") },
    Page { code: "F0401", text: include_str!("pages/F0401.md") },
    Page { code: "F0402", text: include_str!("pages/F0402.md") },
    Page { code: "F0403", text: include_str!("pages/F0403.md") },
    Page { code: "V0001", text: include_str!("pages/V0001.md") },
    Page { code: "V0002", text: include_str!("pages/V0002.md") },
    Page { code: "V0004", text: include_str!("pages/V0004.md") },
    Page { code: "V0005", text: include_str!("pages/V0005.md") },
    Page { code: "V0006", text: include_str!("pages/V0006.md") },
    Page { code: "V0007", text: include_str!("pages/V0007.md") },
    Page { code: "V0008", text: include_str!("pages/V0008.md") },
    Page { code: "V0010", text: include_str!("pages/V0010.md") },
    Page { code: "V0011", text: include_str!("pages/V0011.md") },
    Page { code: "V0012", text: include_str!("pages/V0012.md") },
];
