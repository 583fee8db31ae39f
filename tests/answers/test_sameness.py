"""Which answers are the same: kind by kind, both ways round; and how sameness behaves in a vote."""

import itertools
import random
import subprocess
import sys

import pytest

from ttscale.answers import MathRule
from ttscale.core import Problem, Prompt, Trace
from ttscale.core.votes import Votes

RULE = MathRule()

# a line a pair: == the same, != not
KINDS = {
    "exact integers": r"""
3^{200}-3^{200}  ==  0
2^{64}  ==  18446744073709551616
7^{50}  !=  7^{50}+1
10^{40}  !=  10^{40}-1
100!  !=  100!+1
25!  ==  15511210043330985984000000
2^{128}-1  ==  340282366920938463463374607431768211455
\frac{10^{30}+1}{10^{30}}  !=  1
99999999999999999999  !=  100000000000000000000
""",
    "case of symbols": r"""
\Omega  !=  \omega
R-r  !=  0
\pi(R^2-r^2)  !=  0
\frac{M}{m}  !=  1
\Phi  !=  \phi
V-v  !=  0
AB  !=  ab
X  !=  x
\frac{N}{n}  !=  1
T_1  !=  t_1
k  !=  K
""",
    "times and ratios": r"""
9:00  !=  10:00
1:30  !=  3:00
6:45  ==  6:45
7:00  !=  7
5:10  !=  1/2
1:2  ==  2:4
10:15  !=  2:3
3:2  !=  2:3
11:59 PM  ==  11:59 p.m.
8:00 AM  !=  8:00 PM
2:3:4  ==  4:6:8
2:3:4  !=  2:3:5
1 : 3  ==  1:3
12:30  ==  12:30
4:00 \text{ p.m.}  ==  4:00 pm
0:45  !=  45
12:00 noon  !=  12:00
3:45 PM  ==  15:45
1:1  ==  1
1:1  ==  1:1
5:3:2  ==  10:6:4
16:9  !=  4:3
""",
    "different": r"""
(2,3)  !=  (3,2)
(0,1]  !=  [0,1)
x=3  !=  y=4
2x  !=  x^2
\frac{x}{y}  !=  \frac{y}{x}
12,3  !=  123
x\ge 2  !=  x>2
[0,3]\cup[5,6]  !=  [0,3]\cup[5,7]
2.7183  !=  e
1.41  !=  \sqrt{2}
101_2  !=  101_3
\text{Tom}  !=  Jerry
5 or 6  !=  5
5\sqrt{3}  !=  5
\pm 3  !=  3
b_1  !=  b_2
x^{50}  !=  x^{51}
\begin{pmatrix}1&0\\0&1\end{pmatrix}  !=  \begin{pmatrix}1&0\\0&2\end{pmatrix}
2+3i  !=  2-3i
1,2,3  !=  1,2
\{1,2\}  !=  \{1,2,3\}
x+y=1  !=  x-y=1
y=2x+1  !=  y=2x-1
x=2 \text{ or } x=-2  !=  x=2
0.1  !=  0.01
25  !=  2.5
1/2  !=  2/1
""",
    "plain equality": r"""
\frac{4}{6}  ==  \frac23
0.25  ==  \frac14
\dfrac{7}{2}  ==  3.5
3\frac{1}{2}  ==  3.5
75\%  ==  75
75%  ==  75
1,000,000  ==  1000000
12{,}345  ==  12345
\$1,250  ==  1250
\$12.50  ==  12.5
€20  ==  20
45^\circ  ==  45
45^{\circ}  ==  45
45 degrees  ==  45
7 \text{ inches}  ==  7
12 km  ==  12
3.0  ==  3
t=7  ==  7
\text{(B)}  ==  B
(B)  ==  B
\mathbf{B}  ==  B
\boxed{5}  ==  5
\left(\frac12,3\right)  ==  (1/2,3)
[2,\infty)  ==  x\ge2
x\in(1,2)  ==  1<x<2
-1\le x\le1  ==  [-1,1]
x>0  ==  (0,\infty)
x \in \{1,2\}  ==  \{1,2\}
2,3  ==  3,2
2 and 3  ==  2, 3
2, 3, \text{ and } 5  ==  5,3,2
1\pm\sqrt2  ==  1+\sqrt2, 1-\sqrt2
(a+b)^2  ==  a^2+2ab+b^2
\cos^2 x  ==  1-\sin^2 x
\frac{\sin x}{\cos x}  ==  \tan x
\sqrt{12}  ==  2\sqrt3
\frac{6}{\sqrt3}  ==  2\sqrt3
e^{\ln 5}  ==  5
\log_3 81  ==  4
\log_{10} 1000  ==  3
i^2  ==  -1
\frac{1}{i}  ==  -i
(1+i)^2  ==  2i
\lfloor 3.7\rfloor  ==  3
|-5|  ==  5
|{-5}|  ==  5
5!  ==  120
\frac{5!}{3!}  ==  20
\text{yes}  ==  Yes
Paris  ==  paris
5\times 10^{-4}  ==  0.0005
3e8  ==  300000000
6.02 \times 10^{23}  ==  6.02e23
**7**  ==  7
`7`  ==  7
7\,  ==  7
\displaystyle\frac{1}{2}  ==  \frac12
\color{red}{7}  ==  7
\mathrm{7}  ==  7
\approx 3.14  ==  3.14
≈3.14  ==  3.14
π  ==  \pi
2π  ==  2\pi
½  ==  0.5
x²  ==  x^2
x≥3  ==  x\ge3
√2  ==  \sqrt2
1,2  ==  \{1,2\}
\begin{bmatrix}1&2\\3&4\end{bmatrix}  ==  \begin{pmatrix}1&2\\3&4\end{pmatrix}
3x+6y=9  ==  x+2y=3
x+2y-3=0  ==  x+2y=3
x=y  ==  y=x
2x=10  ==  x=5
100 \text{ cm}^2  ==  100
15\text{ mph}  ==  15
\frac{1}{2}\text{ hour}  ==  0.5
$\frac{1}{2}$  ==  0.5
\(\frac{1}{2}\)  ==  0.5
0.50  ==  0.5
1 dozen  ==  12
1001_{2}  ==  1001_2
\text{East}  ==  east
\frac{-1}{2}  ==  -\frac{1}{2}
\frac{1}{-2}  ==  -0.5
-\frac12  ==  \frac{-1}{2}
--5  ==  5
2^{-1}  ==  0.5
4^{\frac12}  ==  2
8^{2/3}  ==  4
(-8)^{1/3}  ==  -2
\sqrt{-4}  ==  2i
0^0  !=  1
\frac10  !=  \infty
1e3  ==  1000
1E3  ==  1000
1.0\cdot 10^{3}  ==  1000
10^3  ==  1000
10**3  ==  1000
""",
    "identities": r"""
\sin 30^\circ  ==  \frac12
\sqrt[3]{-8}  ==  -2
\binom{6}{3}  ==  20
{6\choose 3}  ==  20
\cos 60^\circ  ==  0.5
\tan 45^\circ  ==  1
\sin\frac{\pi}{6}  ==  \frac12
\sqrt[4]{16}  ==  2
\sqrt[3]{27}  ==  3
2\sin x\cos x  ==  \sin 2x
\log_2 8  ==  \frac{\ln 8}{\ln 2}
e^{i\pi}+1  ==  0
y=2x+3  ==  2x-y+3=0
y-1=2(x-1)  ==  y=2x-1
\arcsin 1  ==  \frac{\pi}{2}
\sum_{k=1}^{10} k  ==  55
\prod_{k=1}^{5} k  ==  120
x^2=4  ==  x=\pm2
|x|<2  ==  (-2,2)
x^2<4  ==  -2<x<2
|x-1|\ge 2  ==  (-\infty,-1]\cup[3,\infty)
\varnothing  ==  \emptyset
\sin^{-1} x  ==  \arcsin x
x\ne0  ==  (-\infty,0)\cup(0,\infty)
\mathbb{R}\setminus\{0\}  ==  x\neq 0
\mathbb{R}  ==  (-\infty,\infty)
\text{all real numbers}  ==  \mathbb{R}
\{x: x>1\}  ==  (1,\infty)
\{x\mid 1<x<2\}  ==  (1,2)
\{x\in\mathbb{R}: x\le 3\}  ==  (-\infty,3]
x<1 \text{ or } x>5  ==  (-\infty,1)\cup(5,\infty)
x>5 \text{ or } x<1  ==  x<1 or x>5
2<x  ==  x>2
3\ge x  ==  x\le3
x>1 \text{ and } x<4  ==  (1,4)
\frac{x^2-1}{x-1}  ==  x+1
\csc x  ==  \frac{1}{\sin x}
\lg 100  ==  2
\sqrt{x^2}  ==  |x|
\cosh 0  ==  1
\gcd(12,18)  ==  6
\max(3,7)  ==  7
\sin^2\theta  ==  (\sin\theta)^2
\sin x^2  !=  \sin^2 x
\ln x^2  !=  2\ln x
\ln(ab)  !=  \ln a+\ln b
\sin(-x)  ==  -\sin x
\cos 2x  ==  2\cos^2x-1
\tan^{-1}(1)  ==  \frac{\pi}{4}
\sec x  ==  1/\cos x
\cot x  ==  \frac{\cos x}{\sin x}
\log_a b  ==  \frac{\ln b}{\ln a}
\log_2 x  !=  \log_3 x
\log x  !=  \ln x
e^{2\ln x}  ==  x^2
\sinh x  ==  \frac{e^x-e^{-x}}{2}
\sin 60  !=  \frac{\sqrt3}{2}
\sin 2\pi/3  ==  \frac{\sqrt3}2
\frac{\sqrt{3}+1}{2\sqrt2}  ==  \cos 15^\circ
\sqrt{3+2\sqrt2}  ==  1+\sqrt2
\sqrt{x+1}  !=  \sqrt{x}+1
\frac{1}{\sqrt{2}+1}  ==  \sqrt2-1
\sqrt{a^2b}  !=  a\sqrt b
a^{m+n}  ==  a^ma^n
x^{-1}  ==  \frac1x
(x^2)^3  ==  x^6
\frac{a}{b/c}  ==  \frac{ac}{b}
a/b/c  ==  \frac{a}{bc}
a(b+c)  ==  ab+ac
a-b-c  !=  a-(b-c)
2n!  !=  (2n)!
\binom{n}{2}  ==  \frac{n(n-1)}{2}
{}^5C_2  !=  10
n!  !=  n(n-1)!
\lceil 2.1 \rceil  ==  3
\lfloor x\rfloor  !=  x
|x-y|  ==  |y-x|
||x||  ==  |x|
|x|+|y|  !=  |x+y|
\min(2,3)  ==  2
7 \bmod 3  !=  1
\overline{z}  !=  z
\bar{x}  !=  x
x_{1}  ==  x_1
x_{12}  !=  x_1
x_{n}  ==  x_n
x_{max}  !=  x_{min}
\alpha  !=  \beta
\varphi  ==  \phi
""",
    "letters and units": r"""
5m  !=  5
3t  !=  3
7g  !=  7
4k  !=  4
3ab  !=  3
2mn  !=  2
4xy  !=  4
5h  !=  5s
2L  !=  2
6pq  ==  6qp
60 km/h  ==  60
60\text{ km/h}  ==  60
9.8\text{ m/s}^2  ==  9.8
20°C  ==  20
20^\circ\text{C}  ==  20
50 \text{ J}  ==  50
50 J  ==  50
5 kg  ==  5
5\,\mathrm{kg}  ==  5
5\ \mathrm{m/s}  ==  5
5~\text{N}  ==  5
12 \text{ cm}^3  ==  12
12 cm^2  ==  12
100\text{ N}\cdot\text{m}  ==  100
3\mathrm{~m}  ==  3
8 square units  ==  8
8\text{ sq units}  ==  8
10 mph  ==  10
10 m/s  ==  10
25 mg  ==  25
2 hours  ==  2
70 \text{ miles per hour}  ==  70
5k  !=  5n
9d  !=  9
8ms  !=  8
4V  !=  4
25°C  ==  25
25 °C  ==  25
-40^\circ\mathrm{C}  ==  -40
300 K  ==  300
50 \,\text{J}  ==  50
3.2\times10^5\text{ J}  ==  320000
90\text{ km/hr}  ==  90
5 \text{ m/s}  ==  5
5 m/s^2  ==  5
12 ft  ==  12
12 \text{ ft}^2  ==  12
144 sq. ft  ==  144
144 \text{ sq. ft.}  ==  144
6\text{ feet}  ==  6
6 feet 2 inches  !=  6 feet 3 inches
6 ft 2 in  !=  6
\$3.50  ==  3.5
3.50 dollars  ==  3.5
350 cents  ==  350
$3,500  ==  3500
US\$5  ==  5
5 USD  ==  5
\text{\$}5  ==  5
£5  ==  5
5€  ==  5
""",
    "named values": r"""
x=3, y=5  !=  x=5, y=3
x=3, y=5  ==  y=5, x=3
2,2,3  ==  2,3,2
(x,y)=(3,5)  ==  (3,5)
p=2, q=7  !=  p=7, q=2
a=1,b=2,c=3  ==  c=3,a=1,b=2
m=4 \text{ and } n=5  ==  n=5, m=4
x=1,\ y=2  ==  x=1, y=2
(x,y,z)=(1,2,3)  !=  (1,3,2)
x=1  !=  x=1, y=2
x = 3 \text{ and } y = 4  ==  x=3, y=4
3,3  !=  3
""",
    "plain notation": r"""
2*pi  ==  2\pi
pi*r^2  ==  \pi r^2
sqrt(2)  ==  \sqrt{2}
sqrt(2)/2  ==  \frac{\sqrt2}{2}
sqrt2  ==  \sqrt2
cos(x)  ==  \cos x
tan(pi/4)  ==  1
ln(x)  ==  \ln x
3**4  ==  81
x**2  ==  x^2
e**2  ==  e^2
exp(-1)  ==  \frac1e
exp(x)  ==  e^x
[0,1]U[2,3]  ==  [0,1]\cup[2,3]
+/-5  ==  \pm5
3 +/- sqrt(2)  ==  3\pm\sqrt{2}
(x+1)*(x-1)  ==  x^2-1
1/(x+1)  ==  \frac{1}{x+1}
abs(-3)  ==  3
log(100)  ==  2
2^(1/2)  ==  \sqrt2
x >= 3  ==  x\ge3
x != 3  ==  x\ne 3
pi  !=  3
infinity  ==  \infty
(-oo, 2]  ==  (-\infty,2]
(-inf, 2)  ==  x<2
2sqrt(3)  ==  2\sqrt{3}
2pi  ==  2\pi
xsin(x)  ==  x\sin x
sin(2x)  ==  2sin(x)cos(x)
x^(2/3)  ==  \sqrt[3]{x^2}
arctan(1)  ==  pi/4
asin(1)  ==  pi/2
""",
    "relations": r"""
x\le -1 \text{ or } x\ge 3  ==  (-\infty,-1]\cup[3,\infty)
x<5  ==  (-\infty,5)
x>2  !=  [2,\infty)
a<b  ==  b>a
a<b  !=  a\le b
x+y<1  ==  1>x+y
x+y<1  !=  x+y>1
-2<x\le3  ==  (-2,3]
2x<6  ==  x<3
-x<3  ==  x>-3
\frac{x}{2}+\frac{y}{3}=1  ==  3x+2y=6
\frac{x-1}{2}=\frac{y-2}{3}  ==  3x-2y=-1
2y=4x+6  ==  y=2x+3
x=2y  ==  y=\frac{x}{2}
x^2+y^2=25  ==  x^2+y^2-25=0
(x-1)^2+(y-2)^2=4  ==  x^2-2x+y^2-4y+1=0
x^2+y^2=25  !=  x^2+y^2=5
xy=1  !=  y=\frac1x
x+y+z=1  ==  2x+2y+2z=2
z=x+y  ==  x+y-z=0
S=\pi r^2  ==  \pi r^2
f(x)=x^2  ==  x^2
y=x^2  ==  f(x)=x^2
f(x)=x+1  !=  f(x)=x-1
a_n=2n-1  ==  2n-1
a_n = 2^n  !=  a_n=2^{n+1}
A=\frac12 bh  ==  \frac{bh}{2}
P(A)=0.5  ==  \frac12
x = -\frac{b}{2a}  ==  -\frac{b}{2a}
\theta=\frac{\pi}{3}  ==  \frac\pi3
\angle A=60^\circ  ==  60
n=k^2  ==  k^2
""",
    "small numbers": r"""
10^{-20}  !=  10^{-21}
10^{-20}  !=  0
1e-12  !=  0
2^{-100}  !=  0
e^{-100}  !=  e^{-101}
5e-30  ==  5\times10^{-30}
0.000001  !=  0.000002
1.0e-10  ==  1e-10
\frac{1}{10^{50}}  ==  10^{-50}
\frac{1}{20!}  !=  0
6.626e-34  ==  6.626\times 10^{-34}
1e-7  !=  2e-7
\frac{1}{3^{60}}  !=  \frac{1}{3^{61}}
""",
    "spaces": r"""
12 345  ==  12345
12\,345  ==  12345
12\;345  ==  12345
12~345  ==  12345
12 345  !=  357
12 345  !=  4140
1 234 567  ==  1234567
1 2 3  !=  123
1 2  !=  3
1 2  !=  2
12 34  !=  1234
2 000  ==  2000
10 000  ==  10000
1\!234  ==  1234
1 234.5  ==  1234.5
1,\!234  ==  1234
3 \ 000  ==  3000
""",
    "nothing is left unread": r"""
0.\overline{3}  ==  \frac13
0.\overline{142857}  ==  \frac17
0.\overline{3}  !=  0
1.2\overline{3}  ==  \frac{37}{30}
5^-2  ==  \frac1{25}
5^-2  !=  5
10^-6  ==  0.000001
3√2  ==  3\sqrt2
5¾  ==  5.75
2³  ==  8
x³  !=  x
4·5  ==  20
4·5  !=  4
\mathrm{e}^{2}  ==  e^2
\mathrm{e}^{2}  !=  1
3\mathrm{i}  ==  3i
2+\mathrm{i}  !=  2
2\mathbf{i}+3\mathbf{j}  !=  2\mathbf{i}
\hat{i}+2\hat{j}  !=  \hat{i}-2\hat{j}
5 million  ==  5000000
5 million  !=  5
5 or more  !=  5
at least 5  !=  5
more than 5  !=  5
3 million  !=  3 billion
2.5 \text{ million}  ==  2500000
x\equiv 2\pmod 5  !=  x\equiv 3\pmod 5
x\equiv 7\pmod 5  ==  x\equiv 2 \pmod 5
3 \pmod{7}  !=  4\pmod{7}
x \equiv 1 \pmod{3}  !=  x\equiv 1 \pmod{4}
2 \text{ hr } 30 \text{ min}  !=  2 \text{ hr } 45 \text{ min}
2 h 30 min  ==  2 hours 30 minutes
5 ft 3 in  !=  5 ft 4 in
\{x: x<0\}  !=  0
n!  !=  n
(n+1)!  !=  n+1
a_{n+1}  !=  a_n
\sqrt[n]{2}  !=  \sqrt2
x'  !=  x
\overline{AB}  !=  AB
\vec{a}  !=  a
5^{\circ}20'  !=  5
\frac{dy}{dx}  !=  \frac{y}{x}
2^{n}  !=  2
3\times  !=  3
5+  !=  5
=5  ==  5
1,2,\ldots,10  !=  1,2,10
1+2+\cdots+n  !=  1+2+n
3 \text{ dozen}  ==  36
6÷3  ==  2
6 \div 4  ==  1.5
x→2  !=  x
0.333\ldots  ==  1/3
A^T  !=  A
f(3)=9  ==  9
f^{-1}(x)  !=  f(x)
\int_0^1 x\,dx  ==  \frac12
\lim_{x\to0}\frac{\sin x}{x}  ==  1
\sum_{k=0}^{\infty}\frac{1}{2^k}  ==  2
\int x dx  !=  \frac{x^2}{2}
5\text{ or more}  !=  5
\text{at most }5  !=  5
\text{about }5  ==  5
approximately 5  ==  5
~5  ==  5
5+  !=  5
5?  !=  5
>5  !=  5
\ge5  !=  5
not 5  !=  5
5 and a half  !=  5
5 to 7  !=  5
5-7  !=  5
between 5 and 7  !=  5
5 times  !=  5
half of 5  !=  5
10 minus 5  !=  10
5 squared  !=  5
the answer is 5  !=  6
5th  !=  5
2nd  !=  2
""",
    "vectors": r"""
\langle 3,4\rangle  !=  \langle 4,3\rangle
⟨1,2⟩  ==  (1,2)
⟨1,2⟩  !=  ⟨2,1⟩
<1,2>  ==  (1,2)
<1,2>  !=  <2,1>
\begin{pmatrix}1\\2\end{pmatrix}  !=  \begin{pmatrix}2\\1\end{pmatrix}
(1,2,3)  !=  (3,2,1)
\left\langle 1,-2,3\right\rangle  ==  (1,-2,3)
(x,y)=(2,3)  !=  (3,2)
[1,2,3]  !=  [3,2,1]
\langle 1,2,3\rangle  !=  \{1,2,3\}
""",
    "number words": r"""
twenty-one  ==  21
five  ==  5
\text{three}  ==  3
two hundred  ==  200
five apples  ==  5
seven  !=  8
one hundred and five  ==  105
""",
    "relations and sets": r"""
(1,2),(3,4)  ==  (3,4),(1,2)
(1,2),(3,4)  !=  (1,3),(2,4)
\{(1,2),(3,4)\}  ==  (1,2),(3,4)
(1,2) \text{ and } (3,4)  ==  (1,2),(3,4)
(1,\infty)  ==  (1,+\infty)
(-\infty,1)\cup(1,\infty)  ==  x\neq1
[1,2]\cup[2,3]  ==  [1,3]
(1,2)\cup\{2\}  ==  (1,2]
(0,1) \cap (0.5,2)  ==  (0.5,1)
\{1\}\cup\{2\}  ==  \{1,2\}
\mathbb{N}  !=  \mathbb{Z}
\mathbb R  ==  \mathbb{R}
x\in\mathbb{R}  ==  (-\infty,\infty)
x \in \mathbb{Z}  !=  x\in\mathbb{R}
\{x\in\mathbb{Z}: x>1\}  !=  x>1
x \in (2,3]  ==  2<x\le3
x \in [-2, 7]  ==  [-2,7]
k>1  ==  x>1
1<x\text{ and }x<3  ==  1<x<3
x\geqslant 2  ==  x\ge2
x^2>9  ==  x<-3 \text{ or } x>3
x^2-5x+6\le0  ==  [2,3]
|2x-1|<3  ==  (-1,2)
x>3, x<5  !=  x>3
\text{no solution}  ==  \emptyset
\text{No real solutions}  ==  \varnothing
\{\emptyset\}  !=  \emptyset
""",
    "touching intervals": r"""
(-\infty,1)\cup(1,\infty)  !=  \mathbb{R}
(0,1)\cup(1,2)  !=  (0,2)
(0,1]\cup(1,2)  ==  (0,2)
(0,1)\cup[1,2)  ==  (0,2)
[0,1)\cup(1,2]  !=  [0,2]
(0,2)\setminus\{1\}  ==  (0,1)\cup(1,2)
x>2 \text{ or } x\ge 3  ==  x>2
(0,3)\cap[1,2]  ==  [1,2]
""",
    "nouns and symbols": r"""
n \text{ even}  !=  n \text{ odd}
n \text{ even}  !=  n
2\pi\text{ square units}  ==  2\pi
72\text{ bpm}  ==  72
18 \frac{\text{km}}{\text{h}}  ==  18
120 \text{ ways}  ==  120
\text{5 students}  ==  5
⅔  ==  2/3
−½  ==  -0.5
10⁻³  ==  0.001
∛8  ==  2
|x|≥2  ==  x≤-2 or x≥2
""",
    "general solutions": r"""
\frac{\pi}{6}+2\pi k, k\in\mathbb{Z}  ==  \frac{\pi}{6}+2k\pi, k\in\mathbb{Z}
2\pi k  !=  \pi k
x=\frac\pi4+k\pi  ==  \frac\pi4+\pi k
n\pi  ==  \pi n
""",
    "matrices": r"""
\begin{pmatrix}1&2\end{pmatrix}  !=  (1,2)
\begin{vmatrix}1&2\\3&4\end{vmatrix}  !=  -2
\left[\begin{array}{cc}1&2\\3&4\end{array}\right]  ==  \begin{pmatrix}1&2\\3&4\end{pmatrix}
\begin{cases}x=1\\y=2\end{cases}  ==  x=1,y=2
\begin{pmatrix}-7\\16\\5\end{pmatrix}  ==  \begin{bmatrix}-7\\16\\5\end{bmatrix}
""",
    "repeating decimals": r"""
0.3\overline{3}  ==  1/3
0.\dot{3}  ==  1/3
0.(3)  ==  1/3
0.\overline{09}  ==  1/11
3.\overline{142}  !=  3.142
1.\overline{9}  ==  2
""",
    "fractions": r"""
3/4  ==  0.75
3 / 4  ==  0.75
\frac34  ==  3/4
\frac{3}{4}x  ==  0.75x
\frac{3x}{4}  ==  3x/4
1 1/2  ==  1.5
1\ 1/2  ==  1.5
-1\frac12  ==  -1.5
2 \frac{3}{4}  ==  2.75
1\frac{1}{2}x  ==  1.5x
""",
    "percent": r"""
100\%  ==  100
12.5\%  ==  12.5
50 percent  ==  50
50\text{ percent}  ==  50
""",
    "constants": r"""
i  !=  -i
3+4i  ==  4i+3
3+4i  !=  (3,4)
e  ==  2.718281828
e^1  ==  e
\mathrm{e}  ==  e
e^{x}  ==  \exp(x)
\exp x  ==  e^x
\pi  ==  3.14159265
\pi  !=  3.14159
22/7  !=  \pi
\frac{22}{7}  ==  3.142857
""",
    "words": r"""
True  ==  true
True  !=  False
yes.  ==  Yes
\text{The red car}  ==  red car
increasing  !=  decreasing
A, B  ==  B, A
\text{A and B}  !=  \text{B and A}
Monday  ==  monday
\text{triangle}  ==  triangle
x = \text{even}  ==  even
""",
    "powers": r"""
2^{3^2}  ==  512
(2^3)^2  ==  64
2^10  ==  1024
x^10  ==  x^{10}
x^{10}  !=  x^{1}0
-2^2  ==  -4
(-2)^2  ==  4
5-3  ==  2
2+3=5  ==  5
2\times3=6  ==  6
3!=6  ==  6
6 = 3!  ==  6
""",
    "lists": r"""
\frac{1}{2}, \frac{1}{3}  ==  1/3, 1/2
1;2  ==  1,2
1, 2, and 3  ==  1,2,3
1 & 2  !=  1,2
\{1,2,3,\ldots\}  !=  \{1,2,3\}
1,3,5,\dots  !=  1,3,5
\{2,1,2\}  ==  \{1,2\}
0,0  !=  0
1,000,1  !=  10001
1,000  ==  1000
(1,000)  !=  1000
1,000,000.5  ==  1000000.5
10,20  !=  1020
100,200  ==  100200
1,00  !=  100
""",
    "decimal places": r"""
1.23456789  ==  1.23456780
1.2345  !=  1.2346
0.6667  !=  2/3
0.666667  ==  2/3
1000000.1  !=  1000000.2
0.0001234  !=  0.0001235
""",
    "broken texts": r"""
\frac  ==  \frac
\frac{1}  !=  1
(1,2  !=  (1,2)
{1  !=  1
$  ==  $
""",
}

PAIRS = [
    pytest.param(*line.split(f"  {sign}  "), sign == "==", id=f"{kind}: {line}")
    for kind, lines in KINDS.items()
    for line in lines.strip().splitlines()
    for sign in ("==", "!=")
    if f"  {sign}  " in line
]


@pytest.mark.parametrize(("a", "b", "same"), PAIRS)
def test_two_answers_are_the_same_or_not_in_either_order(a, b, same):
    assert RULE.same(a, b) == same
    assert RULE.same(b, a) == same


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u202f", "\u2009", "~", "\\ ", "\\,", "\\;", "\\:"])
def test_every_space_groups_digits(space):
    assert RULE.same(f"12{space}345", "12345")
    assert not RULE.same(f"12{space}34", "1234")


@pytest.mark.parametrize("text", ["", " ", "\\", "{", "\\frac", "\\begin{pmatrix}", "$$", "\\text{"])
def test_a_broken_text_is_the_same_as_itself_alone(text):
    assert RULE.same(text, text)
    assert not RULE.same(text, "1")


def test_a_long_integer_is_compared_to_its_last_digit():
    assert RULE.same("10^{300}", "1" + 300 * "0")
    assert not RULE.same("10^{300}", "1" + 299 * "0" + "1")


WORDINGS = sorted(
    {
        text
        for lines in KINDS.values()
        for line in lines.strip().splitlines()
        for text in line.replace("  !=  ", "  ==  ").split("  ==  ")
    }
)


def test_sameness_is_transitive_for_random_triples():
    """Classes of all wordings but those that differ in the last decimal places they are compared to;
    3,000 triples within and across the classes."""
    exact = [text for text in WORDINGS if "." not in text]
    draw = random.Random(0)
    classes: list[list[str]] = []
    for text in exact:
        home = next((c for c in classes if RULE.same(c[0], text)), None)
        if home is None:
            classes.append([text])
        else:
            home.append(text)
    large = [c for c in classes if len(c) > 2]
    assert len(large) > 20, "there is something to draw from"
    for _ in range(3000):
        a, b = draw.sample(draw.choice(large), 2)
        c = draw.choice(draw.choice(classes)) if draw.random() < 0.5 else a
        assert RULE.same(a, b)
        assert RULE.same(a, c) == RULE.same(b, c)


def votes(answers):
    counted = Votes(Problem("q", Prompt.user("?"), RULE))
    for answer in answers:
        counted.add(Trace(text=rf"\boxed{{{answer}}}"))
    return counted.ballots


def test_a_vote_compares_with_the_first_member_of_a_group():
    near = ["0.3333330", "0.3333335", "0.3333340"]  # each the same as the next, the ends are not
    assert RULE.same(near[0], near[1])
    assert RULE.same(near[1], near[2])
    assert not RULE.same(near[0], near[2])
    assert [ballot.count for ballot in votes(near)] == [2, 1]
    assert [ballot.count for ballot in votes(near[1:] + near[:1])] == [3]


@pytest.mark.parametrize("seed", range(5))
def test_the_groups_of_a_vote_do_not_depend_on_the_order_of_exact_answers(seed):
    answers = [text for text in WORDINGS if "." not in text and "boxed" not in text]
    answers = [text for text in answers if text.count("{") == text.count("}")]
    random.Random(1).shuffle(answers)
    answers = answers[:120]
    groups = {frozenset(t.text for t in ballot.traces) for ballot in votes(answers)}
    random.Random(seed).shuffle(answers)
    assert {frozenset(t.text for t in ballot.traces) for ballot in votes(answers)} == groups


def test_sameness_does_not_depend_on_the_hash_seed():
    script = (
        "from ttscale.answers import MathRule as M; r = M();"
        "print([r.key(x) for x in (r'a_1+\\beta x', r'\\{1,2,3\\}', 'x=1, y=2', r'x^2+y^2<zt')])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(said) == 1


def test_symbols_have_values_of_their_own():
    letters = [*"abcdfghjkmnpqrstuvwxyzABC", "a_1", "a_2", r"\alpha", r"\beta"]
    for a, b in itertools.combinations(letters, 2):
        assert not RULE.same(f"{a}+1", f"{b}+1")
