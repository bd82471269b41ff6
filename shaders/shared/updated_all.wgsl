// What an optimiser step leaves in a parameter: its new value.
//
// needs: elem
// gives: updated(old: elem, stepped: elem) -> elem

fn updated(old: elem, stepped: elem) -> elem {
    return stepped;
}
