//! `scripts/isa` on recorded statistics: no Mesa, no compiler.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use tempfile::tempdir;

/// A loop of four instructions whose exit is between them, after a branch that skips nothing.
const NAK: &str = "block.u 0 L0 [] -> {
      b0        = bssy b0 pT L4                                      // delay=1
@!p0            bra pT L1                                            // delay=1
} -> [1]
block 1 L1 [0, 3] -> {
      r0        = iadd3 r0 r1 rZ                                     // delay=1
@p1             bra pT L3                                            // delay=1
} -> [2, 3]
block 2 L2 [1] -> {
                st.global.b32 [r0] r1                                // delay=1
                exit                                                 // delay=1
} -> []
block 3 L3 [1] -> {
      r1        = mov rZ                                             // delay=1
                bra pT L1                                            // delay=1
} -> [1]
";

/// A loop of seven instructions around one of three, which is entered in its middle.
const ACO: &str = "BB0:
\ts_mov_b32 s0, 0                                             ; be800080
BB1:
\tv_add_f32_e32 v0, v0, v1                                    ; 06000300
\ts_branch BB3                                                ; bfa00002
BB2:
\tv_mul_f32_e32 v0, v0, v1                                    ; 06000300
BB3:
\tv_mul_f32_e32 v0, v0, v1                                    ; 06000300
\ts_cbranch_scc0 BB2                                          ; bfa1ffc9
\tv_add_f32_e32 v0, v0, v1                                    ; 06000300
\ts_cbranch_execz BB1                                         ; bfa50185
\ts_endpgm                                                    ; bfb00000
";

const IR3: &str = "Native code for unnamed CL shader (null) with blake3 de10:
; num_ubos:           0
@in(r48.x)\tin0 (wrmask=0x7)
mov.u32u32 r1.y, 0
l2:
(ss)(sy)add.u r0.w, r0.w, r0.x
br !p0.x, #l5
jump #l2
l5:
end
";

fn recorded(instructions: u32, scratch: u32, assembly: &str) -> String {
    let nak = serde_json::json!({
        "name": "report.mixed.conv1_2.forward",
        "statistics": {"Instruction count": instructions, "Number of GPRs": 128, "SLM size": scratch, "Max warps/SM": 16},
        "assembly": assembly,
    });
    let aco = serde_json::json!({
        "name": "b",
        "statistics": {"Instructions": 9, "VGPRs": 24, "Spilled SGPRs": 3, "Scratch size": 16, "LDS size": 512},
        "assembly": ACO,
    });
    let ir3 = serde_json::json!({
        "name": "c",
        "statistics": {"Instruction Count": 6, "Registers used": 6, "STP Count": 1, "LDP Count": 2},
        "assembly": IR3,
    });
    let apple =
        serde_json::json!({"name": "a", "statistics": {"Instructions": 1, "Scratch": 0}, "assembly": ""});
    format!("a line of the driver\n{nak}\n{aco}\n{ir3}\n{apple}\n")
}

fn isa(folder: &Path, record: &str, arguments: &[&str]) -> (Option<i32>, String) {
    fs::write(folder.join("record"), record).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/isa");
    let mut command = Command::new(script);
    command
        .args(["--recorded", "record", "--tables", "tables", "ampere"])
        .args(arguments)
        .current_dir(folder);
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

#[test]
fn tables_have_the_figures_of_each_driver_and_fail_what_is_worse() {
    let folder = tempdir().unwrap();
    let good = recorded(100, 0, NAK);
    let (code, out) = isa(folder.path(), &good, &["--update"]);
    assert_eq!(code, Some(0), "{out}");
    let table = fs::read_to_string(folder.path().join("tables/ampere.tsv")).unwrap();
    assert_eq!(
        table,
        "pipeline\tinstructions\tloop\tregisters\tscratch\tshared\toccupancy\n\
         a\t1\t-\t-\t0\t-\t-\n\
         b\t9\t3\t24\t16\t512\t-\n\
         c\t6\t3\t6\t3\t-\t-\n\
         report.mixed.conv1_2.forward\t100\t4\t128\t0\t-\t16\n"
    );

    let longer =
        NAK.replace("      r1        = mov rZ", "      r1        = mov r2\n      r1        = mov rZ");
    for (record, code, says) in [
        (
            good.clone(),
            0,
            "ampere: 4 pipelines, 0 of them not in ampere.tsv; 0 of the table are gone; 0 problems",
        ),
        (recorded(105, 0, NAK), 0, "0 problems"),
        (recorded(106, 0, NAK), 1, "ampere: report.mixed.conv1_2.forward: instructions 100 -> 106 (+6 %)"),
        (recorded(100, 0, &longer), 1, "forward: instructions in the loop 4 -> 5 (+25 %)"),
        (recorded(90, 8, NAK), 1, "ampere: report.mixed.conv1_2.forward: scratch memory 0 -> 8"),
        // One that the table does not have.
        (good.replace("\"c\"", "\"d\""), 1, "ampere: d: scratch memory 0 -> 3"),
        (good.replace("\"a\"", "\"d\""), 0, "1 of them not in ampere.tsv; 1 of the table are gone"),
    ] {
        let (found, out) = isa(folder.path(), &record, &[]);
        assert!(found == Some(code) && out.contains(says), "{says}: {found:?} {out}");
    }
    let (code, out) = isa(folder.path(), &good, &["voodoo"]);
    assert!(code == Some(2) && out.contains("no device voodoo; there are navi21,"), "{out}");
}

/// The committed tables are of this form, and every device has one.
#[test]
fn every_device_has_a_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/isa");
    for device in ["navi21", "navi31", "gfx1201", "turing", "ampere", "m1", "adreno"] {
        let table = fs::read_to_string(folder.join(format!("{device}.tsv"))).unwrap();
        let names: Vec<&str> = table.lines().map(|line| line.split('\t').next().unwrap()).collect();
        assert!(table.lines().all(|line| line.split('\t').count() == 7), "{device}");
        assert!(names[1..].is_sorted() && names.len() > 100, "{device}");
    }
}
