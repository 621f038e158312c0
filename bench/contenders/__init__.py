"""The programs that are compared, each as a process of its own."""
