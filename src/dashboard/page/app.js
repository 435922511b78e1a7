document.title = 'entrepot'
