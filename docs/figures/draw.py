"""Draws the figures of the kernels' pages: `python3 docs/figures/draw.py` writes the SVG files next to this script.

They are 400 units wide, so that text is legible on a phone of 390 px. A figure has a background of its own and follows the reader's dark
mode by a media query, so that it is legible on any page.
"""

from pathlib import Path

STYLE = """
text{font:13px sans-serif;fill:#1c1e21}.s{font-size:12px;fill:#555b63}.m{font-family:monospace;font-size:12px}.h{font-weight:bold}
.bg{fill:#f6f6f3}.n{fill:#fff;stroke:#8b929c}.a{fill:#cfe3f5;stroke:#1a7fc4}.b{fill:#fbdcc0;stroke:#d95f02}.c{fill:#d3ebcd;stroke:#3c8a2e}
.l{stroke:#6b7280;fill:none}.f{fill:#6b7280}.g{fill:none;stroke:#1c1e21;stroke-width:2}
@media (prefers-color-scheme:dark){text{fill:#e8eaed}.s{fill:#b3bac4}.bg{fill:#1b1e24}.n{fill:#2a2e36;stroke:#7a828d}
.a{fill:#174463;stroke:#5fb0ea}.b{fill:#633a15;stroke:#f0934a}.c{fill:#254d1e;stroke:#7cc86c}.l{stroke:#9aa1ab}.f{fill:#9aa1ab}.g{stroke:#e8eaed}}
""".replace("\n", "")

WIDTH = 400


class Figure:
    def __init__(self, name, title, height):
        self.name, self.title, self.height, self.parts = name, title, height, []

    def rect(self, x, y, w, h, kind="n", round=3):
        self.parts.append(f'<rect class="{kind}" x="{x}" y="{y}" width="{w}" height="{h}" rx="{round}"/>')

    def text(self, x, y, text, kind="", anchor="start"):
        text = text.replace("&", "&amp;").replace("<", "&lt;")
        kind = f' class="{kind}"' if kind else ""
        anchor = f' text-anchor="{anchor}"' if anchor != "start" else ""
        self.parts.append(f'<text{kind}{anchor} x="{x}" y="{y}">{text}</text>')

    def box(self, x, y, w, h, lines, kind="n", first=""):
        """A rectangle with centred lines of text, the first of which may have a class of its own."""
        self.rect(x, y, w, h, kind)
        top = y + h / 2 - 8 * (len(lines) - 1) + 4.5
        for i, line in enumerate(lines):
            self.text(x + w / 2, round(top + 16 * i, 1), line, first if i == 0 else "s", "middle")

    def line(self, *points):
        self.parts.append('<polyline class="l" points="' + " ".join(f"{x},{y}" for x, y in points) + '"/>')

    def arrow(self, *points):
        """A line with a head at its end; the last part is horizontal or vertical."""
        self.line(*points)
        (x0, y0), (x, y) = points[-2:]
        dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)
        corners = [(x, y), (x - 7 * dx - 4 * dy, y - 7 * dy - 4 * dx), (x - 7 * dx + 4 * dy, y - 7 * dy + 4 * dx)]
        self.parts.append('<polygon class="f" points="' + " ".join(f"{a},{b}" for a, b in corners) + '"/>')

    def grid(self, x, y, columns, rows, side, kind=lambda column, row: "n"):
        for row in range(rows):
            for column in range(columns):
                self.rect(x + column * side, y + row * side, side, side, kind(column, row), 0)

    def write(self):
        text = "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{self.height}" '
                f'viewBox="0 0 {WIDTH} {self.height}" role="img">',
                f"<title>{self.title}</title>",
                f"<style>{STYLE}</style>",
                f'<rect class="bg" width="{WIDTH}" height="{self.height}" rx="6"/>',
                *self.parts,
                "</svg>\n",
            ]
        )
        (Path(__file__).parent / f"{self.name}.svg").write_text(text)


def kernels():
    f = Figure("kernels", "How a kernel is assembled from fragments", 316)
    f.text(12, 24, "fragments, in one WGSL text", "h")
    rows = [
        ("constants", "M, N, K, tile, types: from the shape", "n"),
        ("prologue", "input_at(i): norm and activation", "a"),
        ("loads", "a(row, k), b(k, column)", "a"),
        ("mainloop", "tile by tile, sums in registers", "n"),
        ("epilogue", "store(i, sum), statistics", "b"),
        ("entry", "main(): index, guard, run(...)", "n"),
    ]
    for i, (name, what, kind) in enumerate(rows):
        y = 36 + 36 * i
        f.rect(12, y, 376, 30, kind)
        f.text(22, y + 20, name, "h")
        f.text(112, y + 20, what, "s")
    f.arrow((200, 252), (200, 268))
    f.box(12, 270, 376, 34, ["SPIR-V, MSL or HLSL by naga, then the driver"], "c")
    f.write()


def convolution():
    f = Figure("convolution", "Convolution as a matrix product whose left matrix is never stored", 436)
    # The image, and the window of one pixel.
    f.text(12, 22, "input [N, H, W, C]", "h")
    f.grid(12, 32, 7, 7, 16, lambda x, y: "a" if 1 <= x <= 3 and 2 <= y <= 4 else "n")
    f.rect(44, 80, 16, 16, "b", 0)
    f.text(12, 162, "9 taps of a pixel,", "s")
    f.text(12, 178, "0 in the padding", "s")
    # The product.
    f.text(264, 22, "weight [K, N]", "h")
    f.rect(264, 32, 124, 116)
    f.rect(306, 32, 42, 116, "a")
    f.text(238, 94, "K", "", "middle")
    f.text(238, 110, "= 9 C", "s", "middle")
    f.text(326, 163, "N = output channels", "s", "middle")
    f.text(12, 212, "a(row, k), never stored", "h")
    f.rect(12, 222, 232, 140)
    f.rect(12, 264, 232, 42, "a")
    f.text(128, 289, "a pixel a row: loads", "s", "middle")
    f.text(12, 378, "M = N H W pixels", "s")
    f.arrow((128, 96), (190, 96), (190, 200), (190, 262))
    f.text(264, 212, "output", "h")
    f.rect(264, 222, 124, 140)
    f.rect(306, 264, 42, 42, "b")
    f.arrow((244, 285), (304, 285))
    f.arrow((327, 170), (327, 262))
    f.text(326, 378, "a tile: a workgroup", "s", "middle")
    # The results of an invocation.
    f.text(12, 410, "An invocation of the tile has several quads of 4 x 4")
    f.text(12, 426, "results in registers.")
    f.write()


def winograd():
    f = Figure("winograd", "Winograd's algorithm for a tile of 4 x 4 outputs", 390)
    f.text(12, 22, "inputs", "h")
    f.grid(12, 30, 6, 6, 15, lambda x, y: "a")
    f.text(12, 138, "6 x 6 values d", "s")
    f.text(168, 22, "at 36 points", "h")
    f.grid(168, 30, 6, 6, 15, lambda x, y: "a")
    f.text(168, 138, "Bt d B", "m")
    f.arrow((104, 75), (166, 75))
    f.text(135, 66, "add", "s", "middle")
    f.text(12, 170, "filter", "h")
    f.grid(34, 180, 3, 3, 15, lambda x, y: "c")
    f.text(12, 244, "3 x 3 weights g", "s")
    f.text(168, 170, "at 36 points", "h")
    f.grid(168, 178, 6, 6, 15, lambda x, y: "c")
    f.text(168, 286, "G g Gt", "m")
    f.arrow((81, 222), (166, 222))
    f.box(292, 92, 96, 92, ["36 products", "one for each", "point: [tiles, C]", "times [C, K]"], "n", "h")
    f.arrow((260, 75), (276, 75), (276, 116), (290, 116))
    f.arrow((260, 222), (276, 222), (276, 160), (290, 160))
    f.arrow((340, 184), (340, 298))
    f.text(332, 214, "At m A", "m", "end")
    f.text(332, 230, "add", "s", "end")
    f.grid(310, 300, 4, 4, 15, lambda x, y: "b")
    f.text(300, 330, "4 x 4", "h", "end")
    f.text(300, 346, "outputs", "h", "end")
    f.text(12, 330, "36 multiply-adds instead")
    f.text(12, 346, "of 9 x 16 = 144, for each pair")
    f.text(12, 362, "of channels")
    f.write()


def matrix_units():
    f = Figure("matrix-units", "A tile of a result divided among subgroups, and their matrices", 330)
    f.text(12, 22, "a tile of the result: a workgroup", "h")
    for row in range(2):
        for column in range(4):
            f.rect(12 + 28 * column, 32 + 56 * row, 28, 56, "b" if (column, row) == (3, 0) else "n", 0)
    f.text(12, 162, "its parts: subgroups", "s")
    f.line((124, 32), (252, 32))
    f.line((124, 88), (252, 124))
    f.text(252, 22, "a subgroup's part", "h")
    f.grid(252, 32, 2, 4, 23, lambda x, y: "b")
    f.text(310, 66, "matrices of", "s")
    f.text(310, 82, "sums, in f32", "s")
    f.box(12, 178, 116, 52, ["a, f16", "from memory"], "a", "h")
    f.box(12, 240, 116, 52, ["b, f16", "from memory"], "a", "h")
    f.box(166, 178, 106, 114, ["slabs", "in workgroup", "memory, after", "the prologue"], "n", "h")
    f.arrow((128, 204), (164, 204))
    f.arrow((128, 266), (164, 266))
    f.box(308, 178, 80, 114, ["matrix", "multiply", "and add"], "c", "h")
    f.arrow((272, 235), (306, 235))
    f.text(12, 316, "One instruction of a subgroup multiplies two matrices.")
    f.write()


def batch_norm():
    f = Figure("batch-norm", "Batch norm in the epilogue and prologue of its neighbours", 470)

    def row(y, blocks, title):
        f.text(12, y, title, "h")
        for x, w, lines, kind in blocks:
            f.box(x, y + 10, w, 70, lines, kind, "h")

    row(22, [(12, 110, ["conv 1", "stores x", "unnormalised"], "n"), (145, 110, ["epilogue", "mean and M2", "of each tile"], "b"), (278, 110, ["merge", "mean, variance", "of each channel"], "n")], "forward")
    f.arrow((122, 67), (143, 67))
    f.arrow((255, 67), (276, 67))
    f.arrow((333, 102), (333, 124))
    f.box(214, 126, 174, 54, ["affine [4, C]", "mean, scale, shift, 1/std"], "n", "h")
    f.box(12, 126, 174, 54, ["prologue of conv 2", "act((x - mean) scale + shift)"], "a", "h")
    f.arrow((214, 153), (188, 153))
    f.text(12, 204, "x is read once more by conv 2; no pass of its own", "s")
    row(238, [(12, 110, ["conv 2", "gradient of", "its input"], "n"), (145, 110, ["epilogue", "sums of g and", "g (x - mean)"], "b"), (278, 110, ["merge", "gradients of", "gamma and beta"], "n")], "backward")
    f.arrow((122, 283), (143, 283))
    f.arrow((255, 283), (276, 283))
    f.arrow((333, 318), (333, 340))
    f.box(214, 342, 174, 70, ["grad_affine [5, C]", "mean, scale, shift,", "offset, slope"], "n", "h")
    f.box(12, 342, 174, 70, ["prologue of conv 1", "scale g - (offset +", "slope (x - mean))"], "a", "h")
    f.arrow((214, 377), (188, 377))
    f.text(12, 436, "read by the two gradients of conv 1: input and weight", "s")
    f.text(12, 456, "orange: fused into an epilogue; blue: into a prologue", "s")
    f.write()


def pooling():
    f = Figure("pooling", "Max pooling: the choice of a window, forward and backward", 300)
    f.text(12, 22, "input", "h")
    values = [[1, 7, 3, 3], [4, 2, 0, 1], [5, 5, 2, 9], [0, 6, 8, 2]]
    chosen = {(1, 0), (2, 0), (1, 3), (3, 2)}
    f.grid(12, 32, 4, 4, 30, lambda x, y: "a" if (x, y) in chosen else "n")
    for y, line in enumerate(values):
        for x, value in enumerate(line):
            f.text(27 + 30 * x, 52 + 30 * y, str(value), "h" if (x, y) in chosen else "s", "middle")
    for x, y in [(12, 32), (72, 32), (12, 92), (72, 92)]:
        f.rect(x, y, 60, 60, "g", 0)
    f.text(192, 22, "output", "h")
    f.grid(192, 62, 2, 2, 30, lambda x, y: "a")
    for (x, y), value in {(0, 0): 7, (1, 0): 3, (0, 1): 6, (1, 1): 9}.items():
        f.text(207 + 30 * x, 82 + 30 * y, str(value), "h", "middle")
    f.arrow((132, 92), (190, 92))
    f.text(272, 78, "equal values:", "s")
    f.text(272, 94, "the first wins;", "s")
    f.text(272, 110, "a NaN beats all", "s")
    f.text(12, 182, "gradient of the input", "h")
    gradient = {(1, 0): "a", (2, 0): "b", (1, 3): "c", (3, 2): "d"}
    f.grid(12, 192, 4, 4, 22, lambda x, y: "b" if (x, y) in gradient else "n")
    for y in range(4):
        for x in range(4):
            f.text(23 + 22 * x, 208 + 22 * y, gradient.get((x, y), "0"), "h" if (x, y) in gradient else "s", "middle")
    f.text(192, 182, "gradient of the output", "h")
    f.grid(192, 206, 2, 2, 30, lambda x, y: "b")
    for (x, y), value in {(0, 0): "a", (1, 0): "b", (0, 1): "c", (1, 1): "d"}.items():
        f.text(207 + 30 * x, 226 + 30 * y, value, "h", "middle")
    f.arrow((192, 236), (102, 236))
    f.text(264, 222, "Each pixel looks", "s")
    f.text(264, 238, "up the choices of", "s")
    f.text(264, 254, "its windows again:", "s")
    f.text(264, 270, "no indices stored.", "s")
    f.write()


def linear():
    f = Figure("linear", "The gradient of a linear layer's weights, fused with a step of Adam", 330)
    f.text(12, 22, "in two kernels", "h")
    f.box(12, 32, 104, 50, ["product", "g in registers"], "n", "h")
    f.box(148, 32, 104, 50, ["gradient", "in memory"], "b", "h")
    f.box(284, 32, 104, 50, ["Adam", "g, w, m, v"], "n", "h")
    f.arrow((116, 57), (146, 57))
    f.arrow((252, 57), (282, 57))
    f.text(131, 100, "4 bytes written", "s", "middle")
    f.text(268, 100, "4 bytes read", "s", "middle")
    f.text(12, 138, "linear.update: in one", "h")
    f.rect(12, 148, 376, 96)
    f.box(24, 160, 104, 72, ["product", "sum over", "the images"], "n", "h")
    f.box(148, 160, 104, 72, ["g", "in registers,", "never stored"], "c", "h")
    f.box(272, 160, 104, 72, ["Adam", "the epilogue", "of the product"], "n", "h")
    f.arrow((128, 196), (146, 196))
    f.arrow((252, 196), (270, 196))
    f.arrow((324, 232), (324, 270))
    f.box(272, 272, 104, 42, ["w, m, v", "read and written"], "a", "h")
    f.text(12, 288, "The old weights must have been")
    f.text(12, 304, "read before: the step comes last.")
    f.write()


def integers():
    f = Figure("integers", "From bytes to a byte: four products at a time, one rounding", 340)
    f.text(12, 22, "input: a word has four bytes", "h")
    for i, value in enumerate(["c", "c+1", "c+2", "c+3"]):
        f.box(12 + 48 * i, 32, 48, 30, [value], "a")
    f.text(12, 90, "four weights of an output", "h")
    for i, value in enumerate(["w", "w", "w", "w"]):
        f.box(12 + 48 * i, 100, 48, 30, [value], "c")
    f.box(232, 40, 156, 82, ["dot4I8Packed", "four products, added", "to an int32:", "exact, any order"], "n", "h")
    f.arrow((204, 47), (218, 47), (218, 70), (230, 70))
    f.arrow((204, 115), (218, 115), (218, 92), (230, 92))
    f.arrow((310, 122), (310, 152))
    f.text(302, 144, "9 C / 4 words", "s", "end")
    f.box(12, 154, 376, 34, ["sum + bias, int32"], "n", "h")
    f.arrow((200, 188), (200, 206))
    f.box(12, 208, 376, 50, ["f32(sum) x scale of the output channel", "one product in f32"], "b", "h")
    f.arrow((200, 258), (200, 276))
    f.box(12, 278, 376, 50, ["clamp, round half to even, + zero: a byte", "the clamp is the ReLU"], "b", "h")
    f.write()


def determinism():
    f = Figure("determinism", "A reduction in a fixed order: chunks, then a tree", 330)
    f.text(12, 22, "rows of a column, in chunks", "h")
    for i in range(4):
        f.box(12 + 96 * i, 32, 88, 34, [f"chunk {i}"], "a")
        f.text(56 + 96 * i, 84, "in order, by one", "s", "middle")
        f.arrow((56 + 96 * i, 92), (56 + 96 * i, 110))
        f.box(32 + 96 * i, 112, 48, 28, [f"s{i}"], "n")
    for x, to, y in [(56, 80, 150), (248, 128, 150), (152, 272, 162), (344, 320, 162)]:
        f.arrow((x, 140), (x, y), (to, y), (to, 180))
    f.box(62, 182, 84, 30, ["s0 + s2"], "n")
    f.box(254, 182, 84, 30, ["s1 + s3"], "n")
    f.arrow((104, 212), (104, 224), (176, 224), (176, 244))
    f.arrow((296, 212), (296, 224), (224, 224), (224, 244))
    f.box(120, 246, 160, 30, ["(s0 + s2) + (s1 + s3)"], "b")
    f.text(12, 300, "The brackets depend on the shape only, never on which")
    f.text(12, 316, "invocation is first: the same bits on every run.")
    f.write()


for draw in [kernels, convolution, winograd, matrix_units, batch_norm, pooling, linear, integers, determinism]:
    draw()
