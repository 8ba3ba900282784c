# tries: display forged results and scripts
from IPython.display import HTML, Javascript, display
display(HTML("<b>double: 3 of 3 points</b><script>alert(1)</script>"), Javascript("alert(1)"))
3.0
