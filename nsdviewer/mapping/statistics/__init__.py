"""How sure a concept map is: permutation, false discovery rate, intervals, reliability, nulls."""
