from notebooks.course.cli import main

main()
