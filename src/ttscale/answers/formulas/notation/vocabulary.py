"""The commands and names that formulas are made of."""

from __future__ import annotations


def names(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def pairs(text: str) -> dict[str, str]:
    """From "a:b c:d", what each first name stands for."""
    return dict(pair.split(":", 1) for pair in text.split())


FUNCTIONS = names(
    "sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan arccot asin acos atan ln log "
    "lg exp gcd lcm max min det dim deg arg Re Im sgn"
)
GREEK = names(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron rho sigma "
    "tau upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell "
    "hbar imath jmath nabla partial aleph infty pi emptyset top bot"
)
OPENING = names(
    "frac sqrt cbrt binom lvert lfloor lceil langle { abs floor ceil sum prod int lim angle triangle"
)
RELATIONS = names(
    "= < > le ge ne approx in notin equiv cong subset subseteq to mapsto iff parallel perp propto"
)

# what people type without a backslash
PLAIN = {name: name for name in FUNCTIONS - names("deg dim det arg Re Im sgn")} | pairs(
    "sqrt:sqrt cbrt:cbrt abs:abs floor:floor ceil:ceil pi:pi Pi:pi PI:pi inf:infty infty:infty "
    "infinity:infty Infinity:infty oo:infty or:or OR:or and:and AND:and mod:bmod theta:theta "
    "alpha:alpha beta:beta gamma:gamma lambda:lambda phi:phi sigma:sigma mu:mu in:in union:cup "
    "percent:% degrees:degree degree:degree"
)

# commands with one meaning
SYNONYMS = pairs(
    "leq:le leqslant:le geq:ge geqslant:ge neq:ne lt:< gt:> varnothing:emptyset lbrace:{ rbrace:} "
    "vert:| dots:ldots cdots:ldots dotsc:ldots dotsb:ldots ast:* div:/ land:and wedge:and "
    "lor:or vee:or smallsetminus:setminus backslash:setminus bigcup:cup bigcap:cap rightarrow:to "
    "longrightarrow:to implies:to Rightarrow:to arcctg:arccot tg:tan ctg:cot asin:arcsin "
    "acos:arccos atan:arctan varepsilon:epsilon varphi:phi exponentialE:e imaginaryI:i lbrack:[ "
    "rbrack:] triangleq:= simeq:approx sim:approx mathellipsis:ldots dbinom:binom tbinom:binom "
    "lparen:( rparen:)"
)
SIGNS = pairs("**:^ <=:le >=:ge =<:le !=:ne ==:= ...:ldots ->:to +/-:pm -/+:mp")

# commands that style what they hold
TEXTS = names(
    "text textbf textit textrm textsf texttt textnormal mbox hbox mathrm mathbf mathsf mathit "
    "boldsymbol bm operatorname emph mathnormal pmb"
)
UPRIGHT = names("text textrm mbox hbox textnormal mathrm textit")
BOLD = names("mathbf boldsymbol bm textbf pmb")
FONTS = names("mathbb mathcal mathfrak mathscr")
HATS = names("vec hat bar widehat tilde widetilde overrightarrow overleftrightarrow dot ddot overline")
